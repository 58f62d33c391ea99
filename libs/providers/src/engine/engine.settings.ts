import { Injectable, Optional } from '@nestjs/common';
import { ConfigStore, EnvironmentFlags } from '@sluice/config';
import { FeatureFlags, type ChatCall } from '@sluice/kernel';
import type { SlotRequest } from './concurrency.slots.js';
import type { RetryBudgetOptions } from './retry.budget.js';

/** What configuration and flags say to the engine now. Milliseconds. */
@Injectable()
export class EngineSettings {
  readonly #flags: FeatureFlags;

  constructor(
    private readonly config: ConfigStore,
    @Optional() flags?: FeatureFlags,
  ) {
    this.#flags = flags ?? new EnvironmentFlags(config);
  }

  /** Until the first content of some attempt is in hand. */
  get deadlineMs(): number {
    return this.config.current.sluice.routing.deadline;
  }

  /** The longest cooldown that a Retry-After may cause. */
  get maxCooldownMs(): number {
    return this.config.current.sluice.routing.breaker.maxReset;
  }

  get retryBudget(): RetryBudgetOptions {
    return this.config.current.sluice.routing.retryBudget;
  }

  /** How long a first token may take before another target is asked as well; undefined: never. */
  hedgeAfterMs(call: ChatCall): number | undefined {
    const { hedging } = this.config.current.sluice.routing;
    return hedging.enabled && this.#flags.isOn('hedging', call) ? hedging.after : undefined;
  }

  /** How this call waits for a slot. */
  queueing({ caller }: ChatCall): Omit<SlotRequest, 'signal' | 'limit'> {
    const { throttle, tiers } = this.config.current.policies;
    return {
      priority: tiers[caller.tier]?.priority ?? 0,
      maxWaiting: throttle.queue.maxWaiting,
      maxWaitMs: throttle.queue.maxWait,
      backoff: throttle.backoff,
    };
  }
}
