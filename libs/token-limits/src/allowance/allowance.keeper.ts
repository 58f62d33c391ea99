import type { Share, SpendLedger, Standing } from '../ledger/spend.ledger.js';
import type { AllowanceBank, LeaseRequest } from './allowance.bank.js';

interface Use {
  readonly limit: number;
  /** The most that was held at once: what the next second may need again. */
  readonly held: number;
}

interface Want extends LeaseRequest {
  readonly ledger: SpendLedger;
}

/**
 * Keeps the ledgers supplied: leases ahead of need, in one statement for all that ask at the same time, and
 * gives back what is not needed, so that a kill makes little count as spent that was not.
 */
export class AllowanceKeeper {
  #wants: Want[] = [];
  #round: Promise<void> | undefined;
  /** Counters that were used since the last trim. */
  readonly #touched = new Map<SpendLedger, Map<string, Use>>();

  constructor(private readonly bank: AllowanceBank) {}

  /**
   * How much is leased ahead: half a percent of the limit, and some for calls like this one. All of it counts as spent
   * after a kill, so it stays a small part of the limit.
   */
  static ahead(limit: number, need: number): number {
    return Math.ceil(limit / 200) + Math.min(4 * need, Math.ceil(limit / 50));
  }

  /** Leases what a reservation lacks, and some ahead. Resolves when the ledger knows. */
  async supply(
    ledger: SpendLedger,
    missing: readonly Share[],
    limitOf: (counter: string) => number,
  ): Promise<void> {
    for (const { counter, amount } of missing) {
      const limit = limitOf(counter);
      const wish = amount + AllowanceKeeper.ahead(limit, amount);
      this.#wants.push({ ledger, counter, amount: wish, limit, forced: false });
    }
    await this.#run();
  }

  /** Makes the bases of counters known to the ledger without leasing anything. */
  async introduce(ledger: SpendLedger, counters: readonly string[]): Promise<void> {
    for (const counter of counters) {
      this.#wants.push({ ledger, counter, amount: 0, limit: 0, forced: true });
    }
    if (counters.length > 0) await this.#run();
  }

  /** Looks at what a step left: leases ahead when little is left, records at the bank what was overdrawn. */
  after(
    ledger: SpendLedger,
    standings: readonly Standing[],
    limitOf: (counter: string) => number,
  ): Promise<void> | undefined {
    let touched = this.#touched.get(ledger);
    if (touched === undefined) this.#touched.set(ledger, (touched = new Map<string, Use>()));
    let low = false;
    for (const { counter, spent, held, slack } of standings) {
      const limit = limitOf(counter);
      touched.set(counter, { limit, held: Math.max(held, touched.get(counter)?.held ?? 0) });
      if (slack < 0) {
        low = true;
        this.#wants.push({ ledger, counter, amount: -slack, limit, forced: true });
      } else if (slack < limit / 800 && spent + held + slack < limit) {
        low = true;
        const amount = AllowanceKeeper.ahead(limit, 0);
        this.#wants.push({ ledger, counter, amount, limit, forced: false });
      }
    }
    return low ? this.#run() : undefined;
  }

  /** Gives back what lies idle in the counters used since the last call, but for a little ahead (or all of it). */
  async trim(options: { readonly everything: boolean }): Promise<void> {
    for (const [ledger, touched] of this.#touched) {
      this.#touched.set(ledger, new Map());
      const keep = [...touched].map(([counter, { limit, held }]) => ({
        counter,
        amount: options.everything ? 0 : 2 * AllowanceKeeper.ahead(limit, 0) + held,
      }));
      if (keep.length === 0) continue;
      for (const { counter, amount } of await ledger.trim(keep)) {
        this.#wants.push({ ledger, counter, amount: -amount, limit: 0, forced: true });
      }
    }
    // Also when there is nothing to give back: what was overdrawn may be on its way to the bank.
    await (this.#wants.length > 0 ? this.#run() : this.#round);
  }

  /** Gives back all that counters which hold nothing have leased ahead. */
  async release(ledger: SpendLedger, counters: readonly string[]): Promise<void> {
    const freed = await ledger.trim(counters.map((counter) => ({ counter, amount: 0 })));
    for (const { counter, amount } of freed) {
      this.#wants.push({ ledger, counter, amount: -amount, limit: 0, forced: true });
    }
    if (freed.length > 0) await this.#run();
  }

  /** One round at a time; whoever asks meanwhile shares the next one. */
  async #run(): Promise<void> {
    const before = this.#round;
    if (before !== undefined) {
      await before.catch(() => undefined);
      // Someone who waited with us may have started the round that takes our wants too.
      if (this.#round !== undefined && this.#round !== before) return this.#round;
      if (this.#wants.length === 0) return;
    }
    this.#round = this.#lease().finally(() => {
      this.#round = undefined;
    });
    return this.#round;
  }

  async #lease(): Promise<void> {
    const wants = this.#wants;
    this.#wants = [];
    if (wants.length === 0) return;
    for (const [ledger, mine] of Map.groupBy(wants, (want) => want.ledger)) {
      // What is given back makes room, what was overdrawn takes it, and only then comes what is wished.
      await this.#exchange(
        ledger,
        mine.filter((want) => want.amount < 0),
      );
      await this.#exchange(
        ledger,
        mine.filter((want) => want.amount >= 0 && want.forced),
      );
      await this.#exchange(
        ledger,
        mine.filter((want) => want.amount >= 0 && !want.forced),
      );
    }
  }

  async #exchange(ledger: SpendLedger, wants: readonly LeaseRequest[]): Promise<void> {
    const merged = new Map<string, LeaseRequest>();
    for (const { counter, amount, limit, forced } of wants) {
      const sum = amount + (merged.get(counter)?.amount ?? 0);
      merged.set(counter, { counter, amount: sum, limit, forced });
    }
    if (merged.size === 0) return;
    const grants = await this.bank.lease([...merged.values()]);
    // What was given back has left the ledger's allowance already, when it was trimmed.
    await ledger.grant(grants.map((g) => (g.amount < 0 ? { ...g, amount: 0 } : g)));
  }
}
