import type { Grant, Share, Transfer } from '../ledger/spend.ledger.js';

export interface LeaseRequest {
  readonly counter: string;
  /** Wanted; negative gives back. */
  readonly amount: number;
  /** All leases of the counter together stay below. */
  readonly limit: number;
  /** The amount has been spent already: it is recorded whatever the limit. */
  readonly forced: boolean;
}

/** A giver's last step at the bank, and what of it the ledger may not have yet. */
export interface StoredTransfer extends Transfer {
  readonly granted: readonly Share[];
}

/**
 * The durable side of the limits: how much of each counter is leased to ledgers that may forget. A ledger records
 * only what it has leased, so after a kill, or a Redis that lost its memory, everything leased counts as spent
 * and nothing is lost. Increments commute: replicas and Redis lease side by side.
 */
export abstract class AllowanceBank {
  /**
   * Each request granted in full, in part or not at all; one grant per request, in any order.
   * @param transfer numbers the step: one that was taken before, or a later one, grants nothing and returns nothing
   */
  abstract lease(requests: readonly LeaseRequest[], transfer?: Transfer): Promise<readonly Grant[]>;
  /**
   * How much is leased of each counter: grants of nothing.
   * @param epoch which life of a lasting ledger's memory asks
   */
  abstract allocated(counters: readonly string[], epoch?: string): Promise<readonly Grant[]>;
  /** Makes a giver known, before its first transfer. */
  abstract open(giver: string): Promise<void>;
  /** The last transfers of these givers. */
  abstract transfers(givers: readonly string[]): Promise<readonly StoredTransfer[]>;
  /** Those of other givers with grants that have not been reported as arrived for so long. */
  abstract unfinished(self: string, forMs: number): Promise<readonly StoredTransfer[]>;
  /** What a transfer granted has arrived. */
  abstract finished(transfer: Transfer): Promise<void>;
  /** Drops the counters of periods that sort before `period` (`2026-10-12`), and givers unheard of for long. */
  abstract forgetBefore(period: string): Promise<void>;
}
