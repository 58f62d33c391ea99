/** A part of a reservation: so much of one counter. Amounts are non-negative integers. */
export interface Share {
  /** `scope|unit|period`, see `counterKey()`. */
  readonly counter: string;
  readonly amount: number;
}

export interface LimitedShare extends Share {
  readonly limit: number;
}

/** What a counter stands at. `spent` includes what other ledgers have taken of the same limit. */
export interface Standing {
  readonly counter: string;
  readonly spent: number;
  readonly held: number;
  /** What may still be reserved before more must be leased from the bank; may be negative after a dear settle. */
  readonly slack: number;
}

export type ReserveAnswer =
  | { readonly kind: 'held'; readonly standings: readonly Standing[] }
  /** The id was used before; nothing was changed. */
  | { readonly kind: 'known'; readonly state: ReservationState }
  | {
      readonly kind: 'refused';
      readonly counter: string;
      /** `held` may pass by itself, `spent` only with the period. */
      readonly by: 'spent' | 'held';
      readonly headroom: number;
    }
  /** The limits allow it, the leased allowances do not: lease `missing` more and ask again. */
  | { readonly kind: 'short'; readonly missing: readonly Share[] };

export type ReservationState = 'held' | 'settled' | 'expired';

export interface Grant {
  readonly counter: string;
  /** Added to the allowance; negative takes back. */
  readonly amount: number;
  /** All that is leased of this counter by anybody, after the change. */
  readonly allocated: number;
  /**
   * What of it is leased to this ledger, by the bank's books: also what is still on its way. Without it, what the ledger
   * has got is taken for all.
   */
  readonly own?: number;
}

/**
 * One step of moving allowance between the bank and a ledger that outlives this process. A giver's steps are numbered and
 * done one after the other, each at most once on either side, so that whoever finds an unfinished one may finish it.
 */
export interface Transfer {
  readonly giver: string;
  readonly number: number;
  /** Which life of the ledger's memory it belongs to: an allowance of an earlier life is never granted again. */
  readonly epoch: string;
}

/** What a giver took out of a ledger and has perhaps not brought to the bank. */
export interface Returning extends Transfer {
  /** The ledger's clock, milliseconds. */
  readonly at: number;
  readonly freed: readonly Share[];
}

/**
 * Reservations against counters, decided in one atomic step: state per counter is `spent`, `held`, and, when
 * the ledger is banked, the `allowance` it has leased for good. Never spent + held > limit by a reservation.
 * Each id counts once, because its state changes in the same step as the counters.
 */
export abstract class SpendLedger {
  /** True for a memory that ends with this process. */
  readonly inProcess: boolean = false;
  /** Holds every share, or none. */
  abstract reserve(
    id: string,
    shares: readonly LimitedShare[],
    leaseMs: number,
  ): ReserveAnswer | Promise<ReserveAnswer>;
  /** Holds more for a held id; `known` when it is not held any more. */
  abstract topUp(
    id: string,
    shares: readonly LimitedShare[],
  ): ReserveAnswer | Promise<ReserveAnswer>;
  /**
   * Ends a reservation with what it really took: held moves to spent, expired is corrected, settled stays.
   * @param lost what to charge when the ledger does not know the id: the reservation was made elsewhere or lost
   * @returns the standings after it; empty when nothing was changed
   */
  abstract settle(
    id: string,
    actual: readonly Share[],
    lost: readonly Share[],
  ): readonly Standing[] | Promise<readonly Standing[]>;
  /** Moves the deadline of held ids. */
  abstract extend(ids: readonly string[], leaseMs: number): void | Promise<void>;
  /** Turns holds whose deadline has passed into spent: the provider may have billed. Returns how many. */
  abstract sweep(): number | Promise<number>;
  /** Undefined for a counter whose base is not known yet. */
  abstract read(
    counters: readonly string[],
  ): readonly (Standing | undefined)[] | Promise<readonly (Standing | undefined)[]>;
  /** True for a memory that outlives this process: others finish what its givers left unfinished. */
  readonly lasting: boolean = false;
  /** Names this life of a lasting memory: `candidate` when it has no name yet. */
  epoch(candidate: string): string | Promise<string> {
    return candidate;
  }
  /** The last return of each giver to a lasting memory; whether it reached the bank, the bank knows. */
  returning(): readonly Returning[] | Promise<readonly Returning[]> {
    return [];
  }
  /** These returns have reached the bank. */
  forgetReturning(_givers: readonly string[]): void | Promise<void> {
    // Nothing is remembered.
  }
  /** Adds to allowances. Nothing is changed by a transfer that was done before, or in another epoch. */
  abstract grant(grants: readonly Grant[], transfer?: Transfer): void | Promise<void>;
  /** Lowers each allowance to what is recorded plus `keep`, and tells what came free. */
  abstract trim(
    keep: readonly Share[],
    transfer?: Transfer,
  ): readonly Share[] | Promise<readonly Share[]>;
}
