import { Injectable } from '@nestjs/common';
import { Logger } from '@sluice/observability';
import { AlertWatch } from './alerts/alert.watch.js';
import { EmergencySwitch } from './emergency/emergency.switch.js';
import { LimitBook } from './limit.book.js';
import { LimitsView } from './limits.view.js';
import { SpendEngine } from './spend.engine.js';
import { TokenLimitMetrics } from './token-limits.metrics.js';

const LOOK_MS = 15_000;

/** Starts and stops what runs beside the calls, and tells the watchers what the counters say. */
@Injectable()
export class SpendUpkeep {
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly engine: SpendEngine,
    private readonly emergency: EmergencySwitch,
    private readonly alerts: AlertWatch,
    private readonly view: LimitsView,
    private readonly book: LimitBook,
    private readonly logger: Logger,
  ) {
    engine.observe((standings) => alerts.look(book.update(standings)));
    engine.watchCrossings({
      thresholds: () => alerts.thresholds,
      tell: (crossings) => alerts.tell(crossings),
    });
  }

  /** Counts alerts. */
  count(metrics: TokenLimitMetrics): void {
    this.alerts.onAlert((threshold) => metrics.alerted(threshold));
  }

  async start(): Promise<void> {
    await this.emergency.start();
    await this.engine.start();
    await this.look();
    this.#timer = setInterval(() => void this.look(), LOOK_MS);
    this.#timer.unref();
  }

  /** The last step of a shutdown before pools close: settles, and gives back what was leased ahead. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.emergency.stop();
    await this.engine.stop();
  }

  /** Finds what another replica spent, and alerts that a dead one did not fire. */
  async look(): Promise<void> {
    try {
      await this.view.all();
      this.alerts.look(this.book.named());
      await this.alerts.deliver();
    } catch (error) {
      this.logger.warn({ err: error }, 'limits could not be read');
    }
  }
}
