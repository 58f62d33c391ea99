import {
  BudgetAlertRepository,
  type BudgetAlert,
  type StoredAlert,
} from '../src/alerts/budget-alert.js';
import { AllowanceBank, type LeaseRequest } from '../src/allowance/allowance.bank.js';
import { SpendControlRepository, type SpendControl } from '../src/emergency/spend-control.js';
import type { Grant } from '../src/ledger/spend.ledger.js';

/** The bank without a database: what Postgres would remember. Survives the engines that use it. */
export class MemoryBank extends AllowanceBank {
  readonly allocated = new Map<string, number>();
  leases = 0;
  failing = false;

  async lease(requests: readonly LeaseRequest[]): Promise<readonly Grant[]> {
    await new Promise(setImmediate);
    if (this.failing) throw new Error('the database is away');
    this.leases++;
    return requests.map(({ counter, amount, limit, forced }) => {
      const before = this.allocated.get(counter) ?? 0;
      const granted = forced
        ? Math.max(amount, -before)
        : Math.min(amount, Math.max(0, limit - before));
      this.allocated.set(counter, before + granted);
      return { counter, amount: granted, allocated: before + granted };
    });
  }

  async forgetBefore(period: string): Promise<void> {
    for (const counter of this.allocated.keys()) {
      if ((counter.split('|').at(-1) ?? '') < period) this.allocated.delete(counter);
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
