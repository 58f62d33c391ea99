import type { Grant } from '../ledger/spend.ledger.js';

export interface LeaseRequest {
  readonly counter: string;
  /** Wanted; negative gives back; 0 asks how much is leased. */
  readonly amount: number;
  /** All leases of the counter together stay below. */
  readonly limit: number;
  /** The amount has been spent already: it is recorded whatever the limit. */
  readonly forced: boolean;
}

/**
 * The durable side of the limits: how much of each counter is leased to ledgers that may forget. A ledger records
 * only what it has leased, so after a kill, or a Redis that lost its memory, everything leased counts as spent
 * and nothing is lost. Increments commute: replicas and Redis lease side by side.
 */
export abstract class AllowanceBank {
  /** Each request granted in full, in part or not at all; one grant per request, in any order. */
  abstract lease(requests: readonly LeaseRequest[]): Promise<readonly Grant[]>;
  /** Drops the counters of periods that sort before `period` (`2026-10-12`): nobody asks for them any more. */
  abstract forgetBefore(period: string): Promise<void>;
}
