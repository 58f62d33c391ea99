import type { MachineLink } from '@sluice/cluster';
import type { RateVerdict, RateWindow } from '../rate-window.js';
import { RateStore } from './rate.store.js';

/** The service of the machine's owner, see `host.ts`. */
export const RATE_SERVICE = 'requests';

/** Counts in the process that owns this machine, together with its other workers. */
export class MachineRateStore extends RateStore {
  constructor(private readonly link: MachineLink) {
    super();
  }

  decide(subject: string, windows: readonly RateWindow[]): Promise<RateVerdict> {
    return this.link.call(RATE_SERVICE, 'decide', [subject, windows]);
  }
}
