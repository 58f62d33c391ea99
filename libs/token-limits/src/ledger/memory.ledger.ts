import type { Clock } from '@sluice/kernel';
import { BoundedLedger } from './bounded.ledger.js';
import type {
  Grant,
  LimitedShare,
  ReservationState,
  ReserveAnswer,
  Share,
  Standing,
} from './spend.ledger.js';

interface CounterState {
  spent: number;
  held: number;
  allowance: number;
  /** Leased by others, or by this process's earlier lives: counts as spent. */
  base: number;
}

interface Held {
  readonly counter: string;
  amount: number;
}

interface Reservation {
  state: Exclude<ReservationState, 'settled'>;
  /** A few: looking through them costs less than a map. */
  readonly shares: Held[];
  /** Wall-clock milliseconds: of the lease while held, of being forgotten afterwards. */
  deadline: number;
}

/** At least. A repeated settlement comes within seconds: this ledger lives in the process, or on the machine. */
const REMEMBER_SETTLED_MS = 20_000;
const REMEMBER_EXPIRED_MS = 26 * 3_600_000;

/** The ledger in this process: the twin of the Lua scripts beside it. Every method is one synchronous step. */
export class MemoryLedger extends BoundedLedger {
  override readonly inProcess = true;
  readonly #counters = new Map<string, CounterState>();
  /** Held and expired: few, as each call ends. */
  readonly #reservations = new Map<string, Reservation>();
  readonly #settled: RecentIds;

  constructor(
    private readonly clock: Clock,
    /** False: limits alone decide, nothing is leased from a bank. */
    private readonly banked: boolean,
  ) {
    super();
    this.#settled = new RecentIds(clock, REMEMBER_SETTLED_MS);
  }

  reserve(id: string, shares: readonly LimitedShare[], leaseMs: number): ReserveAnswer {
    const known = this.#stateOf(id);
    if (known !== undefined) return { kind: 'known', state: known };
    const blocked = this.#check(shares);
    if (blocked !== undefined) return blocked;
    const reservation: Reservation = {
      state: 'held',
      shares: shares.map(({ counter, amount }) => ({ counter, amount })),
      deadline: this.clock.now() + leaseMs,
    };
    this.#reservations.set(id, reservation);
    return { kind: 'held', standings: this.#hold(shares) };
  }

  topUp(id: string, shares: readonly LimitedShare[]): ReserveAnswer {
    const reservation = this.#reservations.get(id);
    if (reservation?.state !== 'held') {
      return { kind: 'known', state: this.#stateOf(id) ?? 'expired' };
    }
    const blocked = this.#check(shares);
    if (blocked !== undefined) return blocked;
    for (const { counter, amount } of shares) {
      const held = reservation.shares.find((share) => share.counter === counter);
      if (held === undefined) reservation.shares.push({ counter, amount });
      else held.amount += amount;
    }
    return { kind: 'held', standings: this.#hold(shares) };
  }

  settle(id: string, actual: readonly Share[], lost: readonly Share[]): readonly Standing[] {
    const reservation = this.#reservations.get(id);
    if (reservation === undefined && this.#settled.has(id)) return [];
    const before = reservation?.shares ?? [];
    const after = reservation === undefined ? lost : actual;
    for (const { counter, amount } of before) {
      const state = this.#counter(counter);
      if (reservation?.state === 'held') state.held -= amount;
      else state.spent -= amount;
    }
    for (const { counter, amount } of after) this.#counter(counter).spent += amount;
    this.#reservations.delete(id);
    this.#settled.add(id);
    const standings = before.map(({ counter }) => this.#standing(counter));
    after.forEach(({ counter }, i) => {
      // Most often it is the share at the same place.
      if (before[i]?.counter !== counter && !before.some((share) => share.counter === counter))
        standings.push(this.#standing(counter));
    });
    return standings;
  }

  extend(ids: readonly string[], leaseMs: number): void {
    const deadline = this.clock.now() + leaseMs;
    for (const id of ids) {
      const reservation = this.#reservations.get(id);
      if (reservation?.state === 'held') reservation.deadline = deadline;
    }
  }

  sweep(): number {
    this.#settled.rotate();
    const now = this.clock.now();
    let expired = 0;
    for (const [id, reservation] of this.#reservations) {
      if (reservation.deadline > now) continue;
      if (reservation.state !== 'held') {
        this.#reservations.delete(id);
        continue;
      }
      for (const { counter, amount } of reservation.shares) {
        const state = this.#counter(counter);
        state.held -= amount;
        state.spent += amount;
      }
      reservation.state = 'expired';
      reservation.deadline = now + REMEMBER_EXPIRED_MS;
      expired++;
    }
    return expired;
  }

  read(counters: readonly string[]): readonly (Standing | undefined)[] {
    return counters.map((counter) => {
      const known = !this.banked || this.#counters.has(counter);
      return known ? this.#standing(counter) : undefined;
    });
  }

  grant(grants: readonly Grant[]): void {
    for (const { counter, amount, allocated } of grants) {
      const state = this.#counter(counter);
      state.allowance += amount;
      state.base = Math.max(0, allocated - state.allowance);
    }
  }

  trim(keep: readonly Share[]): readonly Share[] {
    const freed: Share[] = [];
    for (const { counter, amount } of keep) {
      const state = this.#counters.get(counter);
      if (state === undefined) continue;
      const free = state.allowance - state.spent - state.held - amount;
      if (free <= 0) continue;
      state.allowance -= free;
      freed.push({ counter, amount: free });
    }
    return freed;
  }

  count(): number {
    return this.#counters.size;
  }

  idle(most: number): readonly string[] {
    const found: string[] = [];
    for (const [counter, state] of this.#counters) {
      if (state.held === 0) found.push(counter);
      if (found.length === most) break;
    }
    return found;
  }

  forget(counters: readonly string[]): void {
    for (const counter of counters) {
      const state = this.#counters.get(counter);
      if (state?.held === 0 && state.allowance === state.spent) this.#counters.delete(counter);
    }
  }

  #stateOf(id: string): ReservationState | undefined {
    return this.#reservations.get(id)?.state ?? (this.#settled.has(id) ? 'settled' : undefined);
  }

  #check(shares: readonly LimitedShare[]): ReserveAnswer | undefined {
    let missing: Share[] | undefined;
    for (const { counter, amount, limit } of shares) {
      const { spent, held, base, allowance } = this.#counter(counter);
      const used = base + spent + held;
      if (used + amount > limit) {
        const by = base + spent + amount > limit ? 'spent' : 'held';
        return { kind: 'refused', counter, by, headroom: Math.max(0, limit - used) };
      }
      const short = spent + held + amount - allowance;
      if (this.banked && short > 0) (missing ??= []).push({ counter, amount: short });
    }
    return missing === undefined ? undefined : { kind: 'short', missing };
  }

  #hold(shares: readonly LimitedShare[]): readonly Standing[] {
    return shares.map(({ counter, amount }) => {
      this.#counter(counter).held += amount;
      return this.#standing(counter);
    });
  }

  #standing(counter: string): Standing {
    const { spent, held, base, allowance } = this.#counter(counter);
    const slack = this.banked ? allowance - spent - held : Number.MAX_SAFE_INTEGER;
    return { counter, spent: base + spent, held, slack };
  }

  #counter(key: string): CounterState {
    let state = this.#counters.get(key);
    if (state === undefined) {
      state = { spent: 0, held: 0, allowance: 0, base: 0 };
      this.#counters.set(key, state);
    }
    return state;
  }
}

/** Ids of at least the last `ms` milliseconds, forgotten by the thousand and without looking at each. */
class RecentIds {
  #new = new Set<string>();
  #old = new Set<string>();
  #since: number;

  constructor(
    private readonly clock: Clock,
    private readonly ms: number,
  ) {
    this.#since = clock.monotonic();
  }

  has(id: string): boolean {
    return this.#new.has(id) || this.#old.has(id);
  }

  add(id: string): void {
    this.rotate();
    this.#new.add(id);
  }

  rotate(): void {
    const now = this.clock.monotonic();
    if (now - this.#since >= this.ms) {
      // After a long pause both are old.
      this.#old = now - this.#since < 2 * this.ms ? this.#new : new Set();
      this.#new = new Set();
      this.#since = now;
    }
  }
}
