import { Registry, collectDefaultMetrics } from 'prom-client';

/**
 * The process's one Prometheus registry. Rooms create their own `Counter`, `Gauge` and `Histogram`
 * with `registers: [metrics.registry]` and names that start with `sluice_`.
 */
export class Metrics {
  readonly registry = new Registry();

  /** Adds the usual `process_*` and `nodejs_*`. Once per process. */
  collectProcess(): void {
    collectDefaultMetrics({ register: this.registry });
  }
}
