import { Injectable } from '@nestjs/common';
import { Clock, type Caller, type ChatCall, type Grade, type Target } from '@sluice/kernel';
import { ProviderRegistry, TargetHealth as ProviderHealth } from '@sluice/providers';
import {
  GradeCeiling,
  ShadowRunner,
  TargetHealth,
  type HealthReading,
  type ShadowResult,
} from '@sluice/routing';
import { DegradeAdvice } from '@sluice/token-limits';
import { LatePipeline } from './late-pipeline.js';

/** The engine skips a dead target by itself, so the router may learn of it a moment later. */
const VERSION_MS = 100;

/** The router asks after targets' health; the providers room knows. */
@Injectable()
export class ProvidersTargetHealth extends TargetHealth {
  #states = '';
  #version = 0;
  #lookedAt = -Infinity;

  constructor(
    private readonly health: ProviderHealth,
    private readonly providers: ProviderRegistry,
    private readonly clock: Clock,
  ) {
    super();
  }

  get version(): number {
    const now = this.clock.monotonic();
    if (now - this.#lookedAt < VERSION_MS) return this.#version;
    this.#lookedAt = now;
    const states = this.health
      .all()
      .map((view) => `${view.provider}/${view.model}:${view.breaker}:${view.available}`)
      .join();
    if (states !== this.#states) this.#version++;
    this.#states = states;
    return this.#version;
  }

  override isUp(target: Target): boolean {
    const { breaker, coolingMs } = this.health.track(target);
    return breaker.state !== 'open' && coolingMs === 0;
  }

  reading(target: Target): HealthReading {
    const view = this.health.of(target);
    return {
      breaker: view.breaker === 'half-open' ? 'half_open' : view.breaker,
      inflight: view.inflight,
      maxConcurrent: this.providers.config(target.provider)?.maxConcurrent ?? 1,
      ...(view.coolingMs > 0 ? { cooldownUntil: this.clock.now() + view.coolingMs } : {}),
      ...(view.latencyP95Ms === undefined ? {} : { p95Ms: view.latencyP95Ms }),
      ...(view.recentCalls === 0 ? {} : { successRate: view.successRate }),
    };
  }
}

/** Budgets that run low close the dear grades. */
@Injectable()
export class BudgetGradeCeiling extends GradeCeiling {
  constructor(private readonly advice: DegradeAdvice) {
    super();
  }

  limit(grade: Grade, caller: Caller): Grade {
    return this.advice.gradeFor(caller, grade);
  }
}

@Injectable()
export class PipelineShadowRunner extends ShadowRunner {
  constructor(private readonly pipeline: LatePipeline) {
    super();
  }

  async run(call: ChatCall, model: string): Promise<ShadowResult> {
    const start = performance.now();
    let costMicroUsd = 0;
    try {
      const reply = await this.pipeline.again(call, 'shadow', model);
      reply.observe({
        onEnd: (end) => {
          costMicroUsd = end.costMicroUsd;
        },
      });
      reply.take();
      return { ok: true, durationMs: performance.now() - start, costMicroUsd };
    } catch {
      return { ok: false, durationMs: performance.now() - start, costMicroUsd };
    }
  }
}
