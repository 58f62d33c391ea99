import type { HostedService } from '@sluice/cluster';
import { lasting, mergeMetrics, type MetricSnapshot, type Metrics } from '@sluice/observability';
import type { Registry } from 'prom-client';

/** The service of the owner, and the question that it asks its workers. */
export const METRICS_SERVICE = 'metrics';
export const METRICS_QUESTION = 'metrics';

/** How often workers are asked unasked, so that little is lost when one is killed. */
const KEEP_EVERY_MS = 5000;

/** A worker as far as its metrics go. */
export interface MetricSource {
  /** Undefined when it cannot say now. */
  snapshot(): Promise<MetricSnapshot | undefined>;
}

/** The metrics of all workers of this machine, and of this process, as those of one. */
export class OwnerMetrics {
  readonly #latest = new Map<MetricSource, MetricSnapshot>();
  readonly #timer: NodeJS.Timeout;
  /** What ended workers had counted, as far as they were asked. */
  #departed: MetricSnapshot = [];

  constructor(private readonly own: Metrics) {
    this.#timer = setInterval(() => void this.#ask(), KEEP_EVERY_MS).unref();
  }

  add(source: MetricSource): void {
    this.#latest.set(source, []);
  }

  async remove(source: MetricSource): Promise<void> {
    const last = this.#latest.get(source) ?? [];
    this.#latest.delete(source);
    this.#departed = await mergeMetrics([this.#departed, lasting(last)]).getMetricsAsJSON();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  get service(): HostedService {
    return {
      text: async () => (await this.#merged()).metrics(),
      json: async () => (await this.#merged()).getMetricsAsJSON(),
    };
  }

  async #merged(): Promise<Registry> {
    await this.#ask();
    const own = await this.own.registry.getMetricsAsJSON();
    return mergeMetrics([this.#departed, own, ...this.#latest.values()]);
  }

  async #ask(): Promise<void> {
    await Promise.all(
      [...this.#latest.keys()].map(async (source) => {
        const snapshot = await source.snapshot();
        // It may have gone meanwhile: then what it left has been counted.
        if (snapshot !== undefined && this.#latest.has(source)) this.#latest.set(source, snapshot);
      }),
    );
  }
}
