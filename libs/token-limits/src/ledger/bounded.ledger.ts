import { SpendLedger } from './spend.ledger.js';

/** A ledger that lives in memory: a flood of new callers must not fill it. */
export abstract class BoundedLedger extends SpendLedger {
  /** How many counters it knows. */
  abstract count(): number | Promise<number>;
  /** Counters that hold nothing, those first used first. */
  abstract idle(most: number): readonly string[] | Promise<readonly string[]>;
  /** Forgets counters of which the bank knows all: nothing held, nothing leased that is not spent. */
  abstract forget(counters: readonly string[]): void | Promise<void>;
}
