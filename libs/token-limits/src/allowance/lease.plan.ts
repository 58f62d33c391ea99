import type { Share, Standing } from '../ledger/spend.ledger.js';
import type { LeaseRequest } from './allowance.bank.js';

export type LimitOf = (counter: string) => number;

interface Use {
  limit: number;
  /** The most that was held at once: what the next second may need again. */
  held: number;
}

/** What a counter has leased in this span of trims and the one before. */
interface Pace {
  now: number;
  before: number;
}

const AHEAD_SHARE = 1 / 200;
/** What calls ahead may take beyond that. */
const CALLS_SHARE = 1 / 50;

/** How much a ledger should lease of which counters: what is asked, what is overdrawn, and some ahead of need. */
export class LeasePlan {
  readonly #asked = new Map<string, LeaseRequest>();
  readonly #overdrawn = new Map<string, LeaseRequest>();
  /** Counters that were used since the last trim. */
  #used = new Map<string, Use>();
  readonly #pace = new Map<string, Pace>();

  /** @param lasting the ledger outlives this process: what it has leased ahead is not lost by a kill */
  constructor(private readonly lasting: boolean) {}

  /**
   * How much is leased ahead. Half a percent of the limit where that cannot be lost. Else it counts as spent after a kill,
   * so it is what a quarter of a second takes, by what was leased lately, or four calls like the one that asks, if more.
   */
  ahead(counter: string, limit: number, need = 0): number {
    const share = Math.ceil(limit * AHEAD_SHARE);
    if (this.lasting) return share;
    const pace = this.#pace.get(counter);
    const lately = pace === undefined ? 0 : Math.ceil((pace.now + pace.before) / 4);
    return Math.min(share + Math.ceil(limit * CALLS_SHARE), Math.max(4 * need, lately));
  }

  /** A reservation lacks allowance for these shares: the whole of each is leased, as others may take what is left. */
  ask(shares: readonly Share[], limitOf: LimitOf): void {
    for (const { counter, amount } of shares) this.#add(this.#asked, counter, amount, limitOf);
  }

  /** Looks at what a step left; true when there is something to lease. */
  note(standings: readonly Standing[], limitOf: LimitOf): boolean {
    let low = false;
    for (const { counter, spent, held, slack } of standings) {
      const limit = limitOf(counter);
      const use = this.#used.get(counter);
      if (use === undefined) this.#used.set(counter, { limit, held: Math.max(0, held) });
      else {
        use.limit = limit;
        use.held = Math.max(use.held, held);
      }
      const ahead = this.ahead(counter, limit);
      if (slack < 0) {
        this.#overdrawn.set(counter, { counter, amount: -slack, limit, forced: true });
        low = true;
      } else if (slack < ahead / 4 && spent + held + slack < limit) {
        this.#add(this.#asked, counter, 0, limitOf);
        low = true;
      }
    }
    return low;
  }

  /** Takes what was overdrawn, which the bank must record whatever the limit. */
  takeOverdrawn(): readonly LeaseRequest[] {
    const requests = [...this.#overdrawn.values()];
    this.#overdrawn.clear();
    return requests;
  }

  /** Takes what was asked, and some ahead. */
  takeAsked(): readonly LeaseRequest[] {
    const requests = [...this.#asked.values()].map((request) => {
      const { counter, limit, amount } = request;
      return { ...request, amount: amount + this.ahead(counter, limit, amount) };
    });
    this.#asked.clear();
    if (!this.lasting) for (const { counter, amount } of requests) this.#lease(counter, amount);
    return requests;
  }

  /** What to leave in the counters used since the last call: what the next moment needs. Begins a new span. */
  takeKept(everything: boolean): readonly Share[] {
    const kept = [...this.#used].map(([counter, { limit, held }]) => {
      const ahead = this.ahead(counter, limit);
      return { counter, amount: everything ? 0 : this.lasting ? 2 * ahead + held : ahead };
    });
    this.#used = new Map();
    for (const [counter, pace] of this.#pace) {
      if (pace.now + pace.before === 0) this.#pace.delete(counter);
      pace.before = pace.now;
      pace.now = 0;
    }
    return kept;
  }

  #lease(counter: string, amount: number): void {
    const pace = this.#pace.get(counter);
    if (pace === undefined) this.#pace.set(counter, { now: amount, before: 0 });
    else pace.now += amount;
  }

  #add(to: Map<string, LeaseRequest>, counter: string, amount: number, limitOf: LimitOf): void {
    const sum = amount + (to.get(counter)?.amount ?? 0);
    to.set(counter, { counter, amount: sum, limit: limitOf(counter), forced: false });
  }
}
