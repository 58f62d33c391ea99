import { Injectable } from '@nestjs/common';
import { ConfigStore } from '@sluice/config';
import { Clock, uuidv7 } from '@sluice/kernel';
import { DeferredWork, Logger } from '@sluice/observability';
import type { Entry } from '../limit.book.js';
import { AlertWebhook } from './alert.webhook.js';
import { partsOf } from '../scopes/limit.js';
import { BudgetAlertRepository, type BudgetAlert } from './budget-alert.js';

/** First wait between two tries of a delivery; it doubles. */
const AGAIN_MS = 30_000;

/** A counter at or above a share of its limit. */
type Crossed = Pick<BudgetAlert, 'counter' | 'threshold' | 'limit' | 'spent'>;

/** Fires one alert per counter and threshold: whoever stores it first, in whichever replica, fires it. */
@Injectable()
export class AlertWatch {
  /** Fired, as far as this process knows; the repository has the last word. */
  readonly #known = new Set<string>();
  #onAlert: (threshold: number) => void = () => undefined;
  /** Most counters are below every threshold, at every call. */
  #lowest: { readonly of: readonly number[]; readonly value: number } = { of: [], value: Infinity };

  constructor(
    private readonly alerts: BudgetAlertRepository,
    private readonly webhook: AlertWebhook,
    private readonly config: ConfigStore,
    private readonly clock: Clock,
    private readonly deferred: DeferredWork,
    private readonly logger: Logger,
  ) {}

  onAlert(listener: (threshold: number) => void): void {
    this.#onAlert = listener;
  }

  get thresholds(): readonly number[] {
    return this.config.current.policies.alerts.thresholds;
  }

  /** Looks at limits whose counters have moved. */
  look(entries: readonly Entry[]): void {
    const { thresholds } = this;
    const lowest = this.#lowestOf(thresholds);
    for (const entry of entries) {
      if (entry.spent === 0 || entry.spent < entry.limit * lowest) continue;
      for (const threshold of thresholds) {
        if (entry.spent < entry.limit * threshold) continue;
        const key = `${entry.counter} ${threshold}`;
        if (this.#known.has(key)) continue;
        if (this.#known.size > 100_000) this.#known.clear();
        this.#known.add(key);
        const queued = this.deferred.run('budget alert', async () => {
          try {
            await this.#fire({ ...entry, threshold });
          } catch (error) {
            this.#known.delete(key);
            throw error;
          }
        });
        if (!queued) this.#known.delete(key);
      }
    }
  }

  #lowestOf(thresholds: readonly number[]): number {
    if (this.#lowest.of !== thresholds)
      this.#lowest = { of: thresholds, value: Math.min(...thresholds) };
    return this.#lowest.value;
  }

  /** Fires what a ledger has seen to cross a threshold. Resolves when all of it is stored. */
  async tell(crossings: readonly Crossed[]): Promise<void> {
    for (const crossing of crossings) {
      await this.#fire(crossing);
      this.#known.add(`${crossing.counter} ${crossing.threshold}`);
    }
  }

  async #fire({ counter, threshold, limit, spent }: Crossed): Promise<void> {
    const [scope, unit, period] = partsOf(counter);
    const now = this.clock.now();
    const alert = {
      ...{ id: uuidv7(now), counter, threshold, scope, unit, period, limit, spent },
      at: new Date(now),
    };
    if (!(await this.alerts.insert(alert))) return;
    this.#onAlert(threshold);
    this.logger.warn(alert, 'budget alert');
    await this.deliver();
  }

  /** Sends what has not been delivered; a failure is tried again later, by any replica. */
  async deliver(): Promise<void> {
    const { webhook, webhookSecret } = this.config.current.policies.alerts;
    if (webhook === undefined) return;
    const now = new Date(this.clock.now());
    for (const alert of await this.alerts.claimUndelivered(now, AGAIN_MS)) {
      try {
        await this.webhook.send({ url: webhook, secret: webhookSecret }, alert);
        await this.alerts.delivered(alert.id, new Date(this.clock.now()));
      } catch (error) {
        this.logger.warn({ err: error, alert: alert.id }, 'alert webhook failed');
      }
    }
  }
}
