import type { Departure } from './departures/departure.log.js';
import type { Crossing } from './ledger/redis.ledger.js';
import type { LimitedShare, ReserveAnswer, SpendLedger, Standing } from './ledger/spend.ledger.js';

/** Who hears of counters that crossed a threshold, also when the process that spent the money has died. */
export interface CrossingWatch {
  readonly thresholds: () => readonly number[];
  /** Resolves when the alerts are stored. */
  readonly tell: (crossings: readonly Crossing[]) => Promise<void>;
}

/** A reservation that stands. */
export interface Reserved {
  readonly id: string;
  readonly ledger: SpendLedger;
  readonly shares: readonly LimitedShare[];
  readonly departure: Departure | undefined;
}

export type EngineAnswer =
  | { readonly kind: 'held'; readonly reserved: Reserved; readonly standings: readonly Standing[] }
  | Extract<ReserveAnswer, { kind: 'refused' }>;
