import type { HostedService } from '@sluice/cluster';
import type { Clock } from '@sluice/kernel';
import { MemoryRateStore } from './stores/memory-rate.store.js';
import { RATE_SERVICE } from './stores/machine-rate.store.js';

/** What the owner of a machine runs for this room: the one count of all its workers' requests. */
export function rateServices(clock: Clock): Readonly<Record<string, HostedService>> {
  const store = new MemoryRateStore(clock);
  return { [RATE_SERVICE]: { decide: store.decide.bind(store) } };
}
