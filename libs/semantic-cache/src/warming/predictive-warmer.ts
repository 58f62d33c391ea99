import { Injectable, Optional } from '@nestjs/common';
import { ConfigStore, EnvironmentFlags } from '@sluice/config';
import { FeatureFlags, type ChatCall } from '@sluice/kernel';
import { DeferredWork } from '@sluice/observability';
import { CacheStorage } from '../cache-storage.js';
import { Predictor } from './predictor.js';

const PROMOTE_MS = 1000;

/** Brings what usually follows a question from the second tier into memory, behind the flag `predictive_caching`. */
@Injectable()
export class PredictiveWarmer {
  readonly #predictor = new Predictor();
  #promoted = 0;

  constructor(
    private readonly config: ConfigStore,
    private readonly storage: CacheStorage,
    private readonly deferred: DeferredWork,
    @Optional() private readonly flags: FeatureFlags = new EnvironmentFlags(config),
  ) {}

  get promoted(): number {
    return this.#promoted;
  }

  asked(call: ChatCall, scope: string, key: string): void {
    if (!this.flags.isOn('predictive_caching', call)) return;
    const cold = this.#predictor
      .next(this.#pattern(call), scope, key)
      .filter((next) => this.storage.memory.get(next) === undefined);
    if (cold.length === 0) return;
    this.deferred.run('predictive cache warming', async () => {
      for (const next of cold) {
        if ((await this.storage.fromSecond(next, PROMOTE_MS)) !== undefined) this.#promoted++;
      }
    });
  }

  #pattern({ caller, body }: ChatCall): string {
    const priority = this.config.current.policies.tiers[caller.tier]?.priority ?? 0;
    const capabilities = [
      body.tools === undefined ? '' : 'tools',
      body.response_format === undefined ? '' : 'json',
      body.reasoning === undefined && body.reasoning_effort === undefined ? '' : 'reasoning',
    ];
    return `${caller.tier}:${priority}:${capabilities.filter((c) => c !== '').join('+')}`;
  }
}
