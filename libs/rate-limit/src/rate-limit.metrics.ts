import { Injectable } from '@nestjs/common';
import { Metrics } from '@sluice/observability';
import { Counter, Gauge } from 'prom-client';

const REJECTIONS = 'sluice_limit_rejections_total';

@Injectable()
export class RateLimitMetrics {
  readonly #rejections: Counter<'limit'>;
  #degraded = 0;

  constructor({ registry }: Metrics) {
    // Shared with the room that limits tokens: whichever comes first makes it.
    const present = registry.getSingleMetric(REJECTIONS) as Counter<'limit'> | undefined;
    this.#rejections =
      present ??
      new Counter({
        name: REJECTIONS,
        help: 'Requests refused by a limit.',
        labelNames: ['limit'],
        registers: [registry],
      });
    const degraded = () => this.#degraded;
    new Gauge({
      name: 'sluice_rate_limits_degraded',
      help: '1 while requests are counted without the shared store, each replica by its share.',
      registers: [registry],
      collect() {
        this.set(degraded());
      },
    });
  }

  rejected(window: string): void {
    this.#rejections.inc({ limit: `requests_${window}` });
  }

  degraded(yes: boolean): void {
    this.#degraded = yes ? 1 : 0;
  }
}
