import { Injectable } from '@nestjs/common';
import { CallCounter, CallHistogram, Metrics } from '@sluice/observability';
import type { Usage } from '@sluice/kernel';
import { Counter, Gauge } from 'prom-client';
import { TargetHealth } from './engine/target.health.js';

const STATES = { closed: 0, 'half-open': 1, open: 2 } as const;

/** The provider family of metrics. */
@Injectable()
export class ProviderMetrics {
  /** By provider and model. */
  readonly #latency: CallHistogram;
  readonly #tokens: CallCounter;
  readonly #errors: Counter<'kind'>;
  readonly #inflight = new Map<string, number>();

  constructor(metrics: Metrics, health: TargetHealth) {
    const registers = [metrics.registry];
    this.#latency = new CallHistogram({
      name: 'sluice_provider_latency_seconds',
      help: 'Time from sending to a provider until its answer ended.',
      labelNames: ['provider', 'model'],
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120],
      registers,
    });
    this.#tokens = new CallCounter({
      name: 'sluice_provider_tokens_total',
      help: 'Tokens that providers were sent and made.',
      labelNames: ['direction'],
      registers,
    });
    this.#errors = new Counter({
      name: 'sluice_provider_errors_total',
      help: 'Attempts that failed, by error code.',
      labelNames: ['kind'],
      registers,
    });
    const inflight = this.#inflight;
    new Gauge({
      name: 'sluice_provider_inflight',
      help: 'Attempts running now.',
      labelNames: ['provider'],
      registers,
      collect() {
        for (const [provider, running] of inflight) this.set({ provider }, running);
      },
    });
    new Gauge({
      name: 'sluice_breaker_state',
      help: 'Circuit breaker of a target: 0 closed, 1 half-open, 2 open.',
      labelNames: ['provider', 'model'],
      registers,
      collect() {
        for (const view of health.all()) {
          this.set({ provider: view.provider, model: view.model }, STATES[view.breaker]);
        }
      },
    });
  }

  started(provider: string): void {
    this.#inflight.set(provider, (this.#inflight.get(provider) ?? 0) + 1);
  }

  ended(target: { provider: string; model: string }, seconds: number): void {
    const { provider, model } = target;
    this.#inflight.set(provider, (this.#inflight.get(provider) ?? 0) - 1);
    this.#latency.observe(seconds, provider, model);
  }

  failed(kind: string): void {
    this.#errors.inc({ kind });
  }

  spent(usage: Usage): void {
    if (usage.input > 0) this.#tokens.inc(usage.input, 'input');
    if (usage.output > 0) this.#tokens.inc(usage.output, 'output');
  }
}
