import { Injectable } from '@nestjs/common';
import { microToUsd } from '@sluice/kernel';
import { CallCounter, Metrics } from '@sluice/observability';
import { Counter, Gauge } from 'prom-client';
import type { UsageEvent } from './usage-event.js';

/** The figures that usage events add up to, for Prometheus. */
@Injectable()
export class UsageMetrics {
  /** By provider, model and tier. */
  readonly #cost: CallCounter;
  readonly #saved: CallCounter;
  readonly #rows: Counter;
  readonly #interrupted: Counter;
  readonly #dropped: Counter;
  readonly #metrics: Metrics;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
    const registers = [metrics.registry];
    this.#cost = new CallCounter({
      name: 'sluice_cost_usd_total',
      help: 'What calls have cost, in USD.',
      labelNames: ['provider', 'model', 'tier'],
      registers,
    });
    this.#saved = new CallCounter({
      name: 'sluice_cost_saved_usd_total',
      help: 'What calls would have cost more, in USD, by what saved it.',
      labelNames: ['by'],
      registers,
    });
    for (const by of ['cache', 'routing', 'coalescing']) this.#saved.inc(0, by);
    this.#rows = new Counter({
      name: 'sluice_usage_rows_total',
      help: 'Usage events written to the database.',
      registers,
    });
    this.#dropped = new Counter({
      name: 'sluice_usage_dropped_total',
      help: 'Calls that cost nothing and were not recorded, because the disk was full.',
      registers,
    });
    this.#interrupted = new Counter({
      name: 'sluice_usage_interrupted_total',
      help: 'Calls that died with their process and were billed by estimate.',
      registers,
    });
  }

  /** Shows the spool's size at each scrape. */
  watchSpool(bytes: () => number): void {
    new Gauge({
      name: 'sluice_usage_spool_bytes',
      help: 'Usage events on the local disk that are not in the database yet, in bytes.',
      registers: [this.#metrics.registry],
      collect() {
        this.set(bytes());
      },
    });
  }

  /** Only paid calls touch the counters: a label that a caller can choose must not appear for free. */
  count({ provider, model, tier, costMicroUsd, saved }: UsageEvent): void {
    // A counter cannot go back; a correction that lowers a bill shows in the database alone.
    if (costMicroUsd > 0) this.#cost.inc(microToUsd(costMicroUsd), provider, model, tier);
    if (saved.cache > 0) this.#saved.inc(microToUsd(saved.cache), 'cache');
    if (saved.routing > 0) this.#saved.inc(microToUsd(saved.routing), 'routing');
    if (saved.coalescing > 0) this.#saved.inc(microToUsd(saved.coalescing), 'coalescing');
  }

  dropped(): void {
    this.#dropped.inc();
  }

  shipped(rows: number): void {
    this.#rows.inc(rows);
  }

  /** Calls of dead processes of which nothing but their note is known. */
  recovered(rows: number): void {
    this.#rows.inc(rows);
    this.#interrupted.inc(rows);
  }
}
