import { Injectable } from '@nestjs/common';
import { Metrics } from '@sluice/observability';
import { Counter, Gauge } from 'prom-client';
import { LimitBook } from './limit.book.js';
import { SpendEngine } from './spend.engine.js';

const REJECTIONS = 'sluice_limit_rejections_total';

@Injectable()
export class TokenLimitMetrics {
  readonly #rejections: Counter<'limit'>;
  readonly #alerts: Counter<'threshold'>;

  constructor({ registry }: Metrics, engine: SpendEngine, book: LimitBook) {
    // Shared with the room that limits requests: whichever comes first makes it.
    const present = registry.getSingleMetric(REJECTIONS) as Counter<'limit'> | undefined;
    this.#rejections =
      present ??
      new Counter({
        name: REJECTIONS,
        help: 'Requests refused by a limit.',
        labelNames: ['limit'],
        registers: [registry],
      });
    this.#alerts = new Counter({
      name: 'sluice_budget_alerts_total',
      help: 'Budget alerts fired.',
      labelNames: ['threshold'],
      registers: [registry],
    });
    new Gauge({
      name: 'sluice_tokens_reserved',
      help: 'Tokens held by calls in flight in this process.',
      registers: [registry],
      collect() {
        this.set(engine.tokensHeld);
      },
    });
    new Gauge({
      name: 'sluice_budget_spent_ratio',
      help: 'Spent share of the fullest limit of a scope, callers left out.',
      labelNames: ['scope'],
      registers: [registry],
      collect() {
        this.reset();
        for (const [scope, ratio] of book.ratios()) this.set({ scope }, ratio);
      },
    });
  }

  /** @param limit tokens | budget | held | emergency | unavailable */
  rejected(limit: string): void {
    this.#rejections.inc({ limit });
  }

  alerted(threshold: number): void {
    this.#alerts.inc({ threshold: String(threshold) });
  }
}
