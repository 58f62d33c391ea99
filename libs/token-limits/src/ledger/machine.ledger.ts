import type { MachineLink } from '@sluice/cluster';
import { BoundedLedger } from './bounded.ledger.js';
import type { Grant, LimitedShare, ReserveAnswer, Share, Standing } from './spend.ledger.js';

/** The service of the machine's owner, see `host.ts`. */
export const LEDGER_SERVICE = 'spend';

/** The one ledger of all workers of this machine, in the process that owns it. */
export class MachineLedger extends BoundedLedger {
  constructor(private readonly link: MachineLink) {
    super();
  }

  reserve(id: string, shares: readonly LimitedShare[], leaseMs: number): Promise<ReserveAnswer> {
    return this.#call('reserve', id, shares, leaseMs);
  }
  topUp(id: string, shares: readonly LimitedShare[]): Promise<ReserveAnswer> {
    return this.#call('topUp', id, shares);
  }
  settle(
    id: string,
    actual: readonly Share[],
    lost: readonly Share[],
  ): Promise<readonly Standing[]> {
    return this.#call('settle', id, actual, lost);
  }
  extend(ids: readonly string[], leaseMs: number): Promise<void> {
    return this.#call('extend', ids, leaseMs);
  }
  sweep(): Promise<number> {
    return this.#call('sweep');
  }
  read(counters: readonly string[]): Promise<readonly (Standing | undefined)[]> {
    return this.#call('read', counters);
  }
  grant(grants: readonly Grant[]): Promise<void> {
    return this.#call('grant', grants);
  }
  trim(keep: readonly Share[]): Promise<readonly Share[]> {
    return this.#call('trim', keep);
  }
  count(): Promise<number> {
    return this.#call('count');
  }
  idle(most: number): Promise<readonly string[]> {
    return this.#call('idle', most);
  }
  forget(counters: readonly string[]): Promise<void> {
    return this.#call('forget', counters);
  }

  #call<T>(method: keyof BoundedLedger, ...args: readonly unknown[]): Promise<T> {
    return this.link.call<T>(LEDGER_SERVICE, method, args);
  }
}
