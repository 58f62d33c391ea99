import { AffinitySignal } from './affinity.signal.js';
import { CostSignal } from './cost.signal.js';
import { LatencySignal } from './latency.signal.js';
import { LoadSignal } from './load.signal.js';
import type { RoutingSignal } from './routing.signal.js';
import { SuccessSignal } from './success.signal.js';

/** Every signal that candidates are scored by. */
export const ROUTING_SIGNALS: readonly RoutingSignal[] = [
  new CostSignal(),
  new LatencySignal(),
  new SuccessSignal(),
  new LoadSignal(),
  new AffinitySignal(),
];
