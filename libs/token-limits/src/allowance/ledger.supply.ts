import { randomToken } from '@sluice/kernel';
import type { Returning, Share, SpendLedger, Standing, Transfer } from '../ledger/spend.ledger.js';
import type { AllowanceBank, LeaseRequest, StoredTransfer } from './allowance.bank.js';
import { LeasePlan, type LimitOf } from './lease.plan.js';

/**
 * Moves allowances between the bank and one ledger, one step after the other. A step to a ledger that outlives this
 * process is numbered; when its end is not known (a timeout on either side), it is finished before the next begins.
 */
export class LedgerSupply {
  readonly plan: LeasePlan;
  #number = 0;
  #opened = false;
  #unsure = false;
  #trim: readonly Share[] | undefined;
  readonly #introduced = new Set<string>();
  #round: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(
    private readonly bank: AllowanceBank,
    private readonly ledger: SpendLedger,
    /** Names this process among all that give to the ledger. */
    private readonly giver: string,
  ) {
    this.plan = new LeasePlan(ledger.lasting);
  }

  /** Does what is planned by now. One round at a time; whoever asks meanwhile shares the next one. */
  run(): Promise<void> {
    if (this.#round === undefined) {
      this.#round = this.#do().finally(() => {
        this.#round = undefined;
      });
      return this.#round;
    }
    this.#next ??= this.#round
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        return this.run();
      });
    return this.#next;
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    await (this.#next ?? this.#round);
  }

  /** Leases what a reservation lacks, and some ahead. Resolves when the ledger knows. */
  async supply(shares: readonly Share[], limitOf: LimitOf): Promise<void> {
    this.plan.ask(shares, limitOf);
    await this.run();
  }

  /** Tells the ledger how much others have leased, without leasing anything. */
  async introduce(counters: readonly string[]): Promise<void> {
    if (counters.length === 0) return;
    for (const counter of counters) this.#introduced.add(counter);
    await this.run();
  }

  after(standings: readonly Standing[], limitOf: LimitOf): Promise<void> | undefined {
    return this.plan.note(standings, limitOf) ? this.run() : undefined;
  }

  /** Gives back what lies idle beyond `keep`. */
  async trim(keep: readonly Share[]): Promise<void> {
    if (keep.length === 0) return this.idle();
    this.#trim = [...(this.#trim ?? []), ...keep];
    await this.run();
  }

  async #do(): Promise<void> {
    const epoch = this.ledger.lasting ? await this.#begin() : undefined;
    const introduced = [...this.#introduced];
    this.#introduced.clear();
    if (introduced.length > 0)
      await this.ledger.grant(await this.bank.allocated(introduced, epoch));
    // What was overdrawn counts whatever the limit; what is given back makes room for what is wished.
    await this.#lease(this.plan.takeOverdrawn(), epoch);
    const keep = this.#trim;
    this.#trim = undefined;
    if (keep !== undefined) await this.#return(keep, epoch);
    await this.#lease(this.plan.takeAsked(), epoch);
  }

  /** Finishes what this giver left open, and tells which life of the ledger's memory the round belongs to. */
  async #begin(): Promise<string> {
    if (!this.#opened) {
      await this.bank.open(this.giver);
      this.#opened = true;
    }
    if (this.#unsure) {
      const [stored] = await this.bank.transfers([this.giver]);
      if (stored !== undefined) await finishGrant(this.bank, this.ledger, stored);
      const returns = await this.ledger.returning();
      const mine = returns.filter(({ giver }) => giver === this.giver);
      await finishReturns(this.bank, this.ledger, mine);
      this.#unsure = false;
    }
    // A fresh name each time: nobody may give the next life of its memory the name of this one.
    return this.ledger.epoch(randomToken(9));
  }

  async #return(keep: readonly Share[], epoch: string | undefined): Promise<void> {
    const transfer = this.#transfer(epoch);
    const freed = await this.#sure(this.ledger.trim(keep, transfer), transfer);
    if (freed.length === 0) return;
    const grants = await this.#sure(this.bank.lease(returnsOf(freed), transfer), transfer);
    // It has left the ledger's allowance already, when it was trimmed.
    await this.ledger.grant(grants.map((grant) => ({ ...grant, amount: 0 })));
  }

  async #lease(requests: readonly LeaseRequest[], epoch: string | undefined): Promise<void> {
    if (requests.length === 0) return;
    const transfer = this.#transfer(epoch);
    const grants = await this.#sure(this.bank.lease(requests, transfer), transfer);
    await this.#sure(this.ledger.grant(grants, transfer), transfer);
  }

  #transfer(epoch: string | undefined): Transfer | undefined {
    if (epoch === undefined) return undefined;
    return { giver: this.giver, number: ++this.#number, epoch };
  }

  async #sure<T>(step: T | Promise<T>, transfer: Transfer | undefined): Promise<T> {
    try {
      return await step;
    } catch (error) {
      this.#unsure = transfer !== undefined;
      throw error;
    }
  }
}

/** Brings to the ledger what the bank granted. Both sides know when it was done before. */
export async function finishGrant(
  bank: AllowanceBank,
  ledger: SpendLedger,
  transfer: StoredTransfer,
): Promise<void> {
  if (transfer.granted.length === 0) return;
  const amounts = new Map(transfer.granted.map(({ counter, amount }) => [counter, amount]));
  const all = await bank.allocated([...amounts.keys()], transfer.epoch);
  const grants = all.map((grant) => ({ ...grant, amount: amounts.get(grant.counter) ?? 0 }));
  await ledger.grant(grants, transfer);
  await bank.finished(transfer);
}

/** Brings to the bank what the ledger gave back. */
export async function finishReturns(
  bank: AllowanceBank,
  ledger: SpendLedger,
  returns: readonly Returning[],
): Promise<void> {
  for (const transfer of returns) {
    const grants = await bank.lease(returnsOf(transfer.freed), transfer);
    await ledger.grant(grants.map((grant) => ({ ...grant, amount: 0 })));
  }
}

function returnsOf(freed: readonly Share[]): readonly LeaseRequest[] {
  return freed.map(({ counter, amount }) => ({ counter, amount: -amount, limit: 0, forced: true }));
}
