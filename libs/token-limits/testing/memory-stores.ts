import {
  BudgetAlertRepository,
  type BudgetAlert,
  type StoredAlert,
} from '../src/alerts/budget-alert.js';
import {
  AllowanceBank,
  type LeaseRequest,
  type StoredTransfer,
} from '../src/allowance/allowance.bank.js';
import { SpendControlRepository, type SpendControl } from '../src/emergency/spend-control.js';
import type { Grant, Transfer } from '../src/ledger/spend.ledger.js';

/** The bank without a database: what Postgres would remember. Survives the engines that use it. */
export class MemoryBank extends AllowanceBank {
  readonly leased = new Map<string, number>();
  readonly #transfers = new Map<string, StoredTransfer>();
  leases = 0;
  failing = false;

  async lease(requests: readonly LeaseRequest[], transfer?: Transfer): Promise<readonly Grant[]> {
    await new Promise(setImmediate);
    if (this.failing) throw new Error('the database is away');
    this.leases++;
    if (transfer !== undefined) {
      const last = this.#transfers.get(transfer.giver)?.number ?? Infinity;
      if (last >= transfer.number) return [];
    }
    const grants = requests.map(({ counter, amount, limit, forced }) => {
      const before = this.leased.get(counter) ?? 0;
      const granted = forced
        ? Math.max(amount, -before)
        : Math.min(amount, Math.max(0, limit - before));
      this.leased.set(counter, before + granted);
      return { counter, amount: granted, allocated: before + granted };
    });
    if (transfer !== undefined) {
      const granted = grants.filter(({ amount }) => amount > 0);
      this.#transfers.set(transfer.giver, { ...transfer, granted });
    }
    return grants;
  }

  async allocated(counters: readonly string[]): Promise<readonly Grant[]> {
    if (this.failing) throw new Error('the database is away');
    return counters.map((counter) => ({
      counter,
      amount: 0,
      allocated: this.leased.get(counter) ?? 0,
    }));
  }

  async open(giver: string): Promise<void> {
    this.#transfers.set(giver, { giver, number: 0, epoch: '', granted: [] });
  }

  async transfers(givers: readonly string[]): Promise<readonly StoredTransfer[]> {
    return givers.flatMap((giver) => this.#transfers.get(giver) ?? []);
  }

  async unfinished(self: string): Promise<readonly StoredTransfer[]> {
    return [...this.#transfers.values()].filter(
      ({ giver, granted }) => giver !== self && granted.length > 0,
    );
  }

  async finished({ giver, number }: Transfer): Promise<void> {
    const stored = this.#transfers.get(giver);
    if (stored?.number === number) this.#transfers.set(giver, { ...stored, granted: [] });
  }

  async forgetBefore(period: string): Promise<void> {
    for (const counter of this.leased.keys()) {
      if ((counter.split('|').at(-1) ?? '') < period) this.leased.delete(counter);
    }
  }
}

export class MemoryAlerts extends BudgetAlertRepository {
  readonly stored: StoredAlert[] = [];
  failing = false;

  async insert(alert: BudgetAlert): Promise<boolean> {
    if (this.failing) throw new Error('the database is away');
    const twice = this.stored.some(
      (a) => a.counter === alert.counter && a.threshold === alert.threshold,
    );
    if (!twice) this.stored.push(alert);
    return !twice;
  }
  async list(page: { readonly limit: number }): Promise<readonly StoredAlert[]> {
    return this.stored.toReversed().slice(0, page.limit);
  }
  async claimUndelivered(): Promise<readonly BudgetAlert[]> {
    return this.stored.filter((alert) => alert.deliveredAt === undefined);
  }
  async delivered(id: string, at: Date): Promise<void> {
    const index = this.stored.findIndex((alert) => alert.id === id);
    const alert = this.stored[index];
    if (alert !== undefined) this.stored[index] = { ...alert, deliveredAt: at };
  }
}

export class MemoryControl extends SpendControlRepository {
  control: SpendControl = { shutDown: false, waived: [] };
  failing = false;

  async load(): Promise<SpendControl> {
    if (this.failing) throw new Error('the database is away');
    return this.control;
  }
  async save(control: SpendControl): Promise<void> {
    this.control = control;
  }
}
