import { randomToken } from '@sluice/kernel';
import type { Share, SpendLedger, Standing } from '../ledger/spend.ledger.js';
import type { AllowanceBank } from './allowance.bank.js';
import type { LimitOf } from './lease.plan.js';
import { LedgerSupply, finishGrant, finishReturns } from './ledger.supply.js';

/** A step takes milliseconds; one that is older was left by a process that died, or that will find it done. */
const LEFT_MS = 3000;
/** A refusal looks again at what others have leased, but not more often than this. */
const REFRESH_MS = 250;

/**
 * Keeps the ledgers supplied: leases ahead of need, in one statement for all that ask at the same time, and
 * gives back what is not needed, so that a kill makes little count as spent that was not.
 */
export class AllowanceKeeper {
  readonly #giver = randomToken(12);
  readonly #supplies = new Map<SpendLedger, LedgerSupply>();
  /** When each counter's base was last asked for because of a refusal. */
  readonly #refreshed = new Map<string, number>();

  constructor(private readonly bank: AllowanceBank) {}

  /** Leases what a reservation lacks, and some ahead. Resolves when the ledger knows. */
  supply(ledger: SpendLedger, shares: readonly Share[], limitOf: LimitOf): Promise<void> {
    return this.#of(ledger).supply(shares, limitOf);
  }

  /** Tells the ledger how much others have leased, without leasing anything. */
  introduce(ledger: SpendLedger, counters: readonly string[]): Promise<void> {
    return this.#of(ledger).introduce(counters);
  }

  /** Like {@link introduce}, for a counter that refused a call; false when it was done a moment ago. */
  async refresh(ledger: SpendLedger, counter: string, nowMs: number): Promise<boolean> {
    if (nowMs - (this.#refreshed.get(counter) ?? -Infinity) < REFRESH_MS) return false;
    if (this.#refreshed.size > 10_000) this.#refreshed.clear();
    this.#refreshed.set(counter, nowMs);
    await this.introduce(ledger, [counter]);
    return true;
  }

  /** Looks at what a step left: leases ahead when little is left, records at the bank what was overdrawn. */
  after(
    ledger: SpendLedger,
    standings: readonly Standing[],
    limitOf: LimitOf,
  ): Promise<void> | undefined {
    return this.#of(ledger).after(standings, limitOf);
  }

  /** Gives back what lies idle in the counters used since the last call, but for a little ahead (or all of it). */
  async trim(options: { readonly everything: boolean }): Promise<void> {
    const trims = [...this.#supplies.values()].map((supply) =>
      supply.trim(supply.plan.takeKept(options.everything)),
    );
    const failed = (await Promise.allSettled(trims)).find((trim) => trim.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  /** Gives back all that counters which hold nothing have leased ahead. */
  release(ledger: SpendLedger, counters: readonly string[]): Promise<void> {
    return this.#of(ledger).trim(counters.map((counter) => ({ counter, amount: 0 })));
  }

  /** Finishes the steps that dead processes left between the bank and a ledger that outlived them. */
  async finishOthers(ledger: SpendLedger, nowMs: number): Promise<void> {
    for (const transfer of await this.bank.unfinished(this.#giver, LEFT_MS)) {
      await finishGrant(this.bank, ledger, transfer);
    }
    const returns = (await ledger.returning()).filter(
      ({ giver, at }) => giver !== this.#giver && at < nowMs - LEFT_MS,
    );
    await finishReturns(this.bank, ledger, returns);
    await ledger.forgetReturning(returns.map(({ giver }) => giver));
  }

  #of(ledger: SpendLedger): LedgerSupply {
    let supply = this.#supplies.get(ledger);
    if (supply === undefined) {
      supply = new LedgerSupply(this.bank, ledger, this.#giver);
      this.#supplies.set(ledger, supply);
    }
    return supply;
  }
}
