import { Injectable } from '@nestjs/common';
import { ConfigStore } from '@sluice/config';
import { Clock, uuidv7 } from '@sluice/kernel';
import { DeferredWork, Logger } from '@sluice/observability';
import type { Entry } from '../limit.book.js';
import { AlertWebhook } from './alert.webhook.js';
import { BudgetAlertRepository } from './budget-alert.js';

/** First wait between two tries of a delivery; it doubles. */
const AGAIN_MS = 30_000;

/** Fires one alert per counter and threshold: whoever stores it first, in whichever replica, fires it. */
@Injectable()
export class AlertWatch {
  /** Fired, as far as this process knows; the repository has the last word. */
  readonly #known = new Set<string>();
  #onAlert: (threshold: number) => void = () => undefined;

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

  /** Looks at limits whose counters have moved. */
  look(entries: readonly Entry[]): void {
    const { thresholds } = this.config.current.policies.alerts;
    for (const entry of entries) {
      if (entry.spent === 0) continue;
      for (const threshold of thresholds) {
        if (entry.spent < entry.limit * threshold) continue;
        const key = `${entry.counter} ${threshold}`;
        if (this.#known.has(key)) continue;
        if (this.#known.size > 100_000) this.#known.clear();
        this.#known.add(key);
        const alert = {
          id: uuidv7(this.clock.now()),
          counter: entry.counter,
          threshold,
          scope: entry.of.scope,
          unit: entry.of.unit,
          period: entry.period,
          limit: entry.limit,
          spent: entry.spent,
          at: new Date(this.clock.now()),
        };
        const queued = this.deferred.run('budget alert', async () => {
          try {
            if (!(await this.alerts.insert(alert))) return;
          } catch (error) {
            this.#known.delete(key);
            throw error;
          }
          this.#onAlert(threshold);
          this.logger.warn(alert, 'budget alert');
          await this.deliver();
        });
        if (!queued) this.#known.delete(key);
      }
    }
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
