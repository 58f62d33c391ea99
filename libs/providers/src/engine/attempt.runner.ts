import { Injectable } from '@nestjs/common';
import { Clock, GatewayError, type ChatCall, type ChatReply, type Target } from '@sluice/kernel';
import { ModelCatalog } from '@sluice/model-catalog';
import { ProviderMetrics } from '../provider.metrics.js';
import { ProviderRegistry } from '../provider.registry.js';
import { Attempt, brokenError, CHAT, type Question, type Started } from './attempt.js';
import { AttemptRun, type Asked, type RunRules } from './attempt.run.js';
import { ConcurrencySlots } from './concurrency.slots.js';
import { EngineSettings } from './engine.settings.js';
import { RetryBudget } from './retry.budget.js';
import { TargetHealth } from './target.health.js';

/** What is shared by all calls to one provider. */
interface ProviderLoad {
  readonly slots: ConcurrencySlots;
  readonly budget: RetryBudget;
}

/**
 * Runs an ordered list of attempts until one gives an answer: hold → slot → breaker → deadline → adapter → first
 * content. Until then a failure moves on to the next target and the caller never hears of it.
 */
@Injectable()
export class AttemptRunner implements RunRules {
  readonly #loads = new Map<string, ProviderLoad>();

  constructor(
    private readonly settings: EngineSettings,
    private readonly registry: ProviderRegistry,
    private readonly catalog: ModelCatalog,
    private readonly health: TargetHealth,
    private readonly metrics: ProviderMetrics,
    private readonly clock: Clock,
  ) {}

  /**
   * Resolves with the first content in hand (`routing.deadline` is for this; what follows is up to the idle timeout).
   * @param question a chat answer, unless something else is to be asked for
   * @throws GatewayError the last failure, with `bill` when attempts cost something; a refusal of `call.hold`
   */
  run(call: ChatCall, attempts: readonly Target[], question: Question = CHAT): Promise<ChatReply> {
    const hedgeAfterMs = this.settings.hedgeAfterMs(call);
    const deadlineMs = this.settings.deadlineMs;
    return new AttemptRun({ call, attempts, question, deadlineMs, hedgeAfterMs }, this).reply();
  }

  /** How many calls run at and wait for a provider. */
  load(provider: string): { readonly running: number; readonly waiting: number } {
    const slots = this.#loads.get(provider)?.slots;
    return { running: slots?.running ?? 0, waiting: slots?.waiting ?? 0 };
  }

  /** Why a target is not worth a reservation now; undefined when it is. */
  admits(target: Target): GatewayError | undefined {
    const { breaker, coolingMs } = this.health.track(target);
    if (coolingMs > 0) {
      return new GatewayError(
        'rate_limited',
        `Model '${target.model}' is rate-limited by its provider.`,
        {
          retryAfterMs: coolingMs,
          facts: { provider: target.provider, model: target.model },
        },
      );
    }
    return breaker.waitMs > 0 ? brokenError(target, breaker.waitMs) : undefined;
  }

  mayRetry(target: Target): boolean {
    return this.#load(target.provider).budget.take();
  }

  firstTry(target: Target): void {
    this.#load(target.provider).budget.firstTry();
  }

  random(): number {
    return Math.random();
  }

  start({ question, call, target, spending }: Asked, deadlineMs: number): Started {
    const config = this.registry.config(target.provider);
    if (config === undefined) {
      return failedStart(
        new GatewayError('model_not_found', `Model '${target.model}' has no provider.`),
      );
    }
    return new Attempt({
      question,
      call,
      target,
      spending,
      config,
      deadlineMs,
      track: this.health.track(target),
      slots: this.#load(target.provider).slots,
      settings: this.settings,
      registry: this.registry,
      catalog: this.catalog,
      metrics: this.metrics,
    }).start();
  }

  #load(provider: string): ProviderLoad {
    let load = this.#loads.get(provider);
    if (load === undefined) {
      load = {
        slots: new ConcurrencySlots(provider, this.clock),
        budget: new RetryBudget(this.clock, () => this.settings.retryBudget),
      };
      this.#loads.set(provider, load);
    }
    return load;
  }
}

function failedStart(error: GatewayError): Started {
  return { reply: Promise.reject(error), cancel: () => undefined };
}
