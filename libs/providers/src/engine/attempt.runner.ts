import { Injectable } from '@nestjs/common';
import {
  ChatReply,
  Clock,
  GatewayError,
  settled,
  type ChatCall,
  type Target,
} from '@sluice/kernel';
import { ModelCatalog } from '@sluice/model-catalog';
import { ProviderMetrics } from '../provider.metrics.js';
import { ProviderRegistry } from '../provider.registry.js';
import { Attempt, CHAT, type AttemptParts, type Question } from './attempt.js';
import type { CutReason } from './attempt.gate.js';
import { AttemptRun, type Started } from './attempt.run.js';
import { ConcurrencySlots } from './concurrency.slots.js';
import { EngineSettings } from './engine.settings.js';
import { RetryBudget } from './retry.budget.js';
import { TargetHealth } from './target.health.js';

type Asked = Pick<AttemptParts, 'question' | 'call' | 'target' | 'spending'>;

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
export class AttemptRunner {
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
    const run = new AttemptRun(call, attempts, {
      start: (target, spending, deadlineMs) =>
        this.#start({ question, call, target, spending }, deadlineMs),
      admits: (target) => this.#admits(target),
      mayRetry: (target) => this.#load(target.provider).budget.take(),
      firstTry: (target) => this.#load(target.provider).budget.firstTry(),
      random: Math.random,
      deadlineMs: this.settings.deadlineMs,
      hedgeAfterMs: this.settings.hedgeAfterMs(call),
    });
    return run.reply();
  }

  /** How many calls run at and wait for a provider. */
  load(provider: string): { readonly running: number; readonly waiting: number } {
    const slots = this.#loads.get(provider)?.slots;
    return { running: slots?.running ?? 0, waiting: slots?.waiting ?? 0 };
  }

  /** Why a target is not worth a reservation now; undefined when it is. */
  #admits(target: Target): GatewayError | undefined {
    const { breaker, coolingMs } = this.health.track(target);
    const facts = { provider: target.provider, model: target.model };
    if (coolingMs > 0) {
      return new GatewayError(
        'rate_limited',
        `Model '${target.model}' is rate-limited by its provider.`,
        {
          retryAfterMs: coolingMs,
          facts,
        },
      );
    }
    return breaker.waitMs > 0 ? brokenError(target, breaker.waitMs) : undefined;
  }

  #start(asked: Asked, deadlineMs: number): Started {
    const { call, target } = asked;
    const config = this.registry.config(target.provider);
    if (config === undefined) {
      return failedStart(
        new GatewayError('model_not_found', `Model '${target.model}' has no provider.`),
      );
    }
    const attempt = new Attempt({
      ...asked,
      config,
      track: this.health.track(target),
      catalog: this.catalog,
      metrics: this.metrics,
      maxCooldownMs: this.settings.maxCooldownMs,
    });
    const answerMs = call.stream ? config.firstTokenTimeout : config.timeout;
    const reply = settled(
      async () => {
        attempt.gate.arm('deadline', deadlineMs);
        attempt.lease = await this.registry.lease(target.provider);
        await this.#takeSlot(attempt, call, config.maxConcurrent, target.provider);
        attempt.permit = this.health.track(target).enter();
        if (attempt.permit === undefined) throw brokenError(target, 0);
        const left = deadlineMs - (performance.now() - attempt.fact.startedAt);
        const reason: CutReason =
          left < answerMs ? 'deadline' : call.stream ? 'first_content' : 'whole';
        attempt.gate.arm(reason, Math.min(left, answerMs));
        return attempt.ask();
      },
      (settlement) => {
        attempt.settle(settlement);
      },
    );
    return {
      reply,
      cancel: () => {
        attempt.gate.cut('hedged');
      },
    };
  }

  async #takeSlot(
    attempt: Attempt,
    call: ChatCall,
    limit: number,
    provider: string,
  ): Promise<void> {
    const { slots } = this.#load(provider);
    if (!slots.tryTake(limit)) {
      const since = performance.now();
      try {
        await slots.take({
          ...this.settings.queueing(call),
          signal: attempt.gate.signal,
          limit,
        });
      } finally {
        call.journal.upstreamMs += performance.now() - since;
      }
    }
    attempt.slots = slots;
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

function brokenError(target: Target, waitMs: number): GatewayError {
  return new GatewayError(
    'overloaded',
    `Model '${target.model}' is failing and is left alone for now.`,
    {
      ...(waitMs > 0 ? { retryAfterMs: waitMs } : {}),
      facts: { provider: target.provider, model: target.model, breaker: 'open' },
    },
  );
}

function failedStart(error: GatewayError): Started {
  return { reply: Promise.reject(error), cancel: () => undefined };
}
