import { Injectable, Optional } from '@nestjs/common';
import { ConfigStore, EnvironmentFlags } from '@sluice/config';
import {
  ChatInterceptor,
  FeatureFlags,
  type ChatCall,
  type ChatHandler,
  type ChatReply,
} from '@sluice/kernel';
import { CacheMetrics, exactKeyOf } from '@sluice/semantic-cache';
import { SharedRun } from './shared-run.js';

/**
 * Identical calls in flight share one upstream run, streams included.
 * Only within one caller: what another caller asks, and when, is nobody's business.
 */
@Injectable()
export class CoalescingInterceptor extends ChatInterceptor {
  readonly #runs = new Map<string, SharedRun>();

  readonly #flags: FeatureFlags;

  constructor(
    private readonly config: ConfigStore,
    @Optional() flags?: FeatureFlags,
    @Optional() private readonly metrics?: CacheMetrics,
  ) {
    super();
    this.#flags = flags ?? new EnvironmentFlags(config);
  }

  async around(call: ChatCall, next: ChatHandler): Promise<ChatReply> {
    if (!this.#applies(call)) return next(call);
    const key = this.#keyOf(call);
    if (key === undefined) return next(call);
    const running = this.#runs.get(key);
    if (running?.joinable === true) return running.join(call);
    const run = new SharedRun(call, next, () => {
      if (this.#runs.get(key) === run) this.#runs.delete(key);
    });
    this.#runs.set(key, run);
    return run.join(call);
  }

  /** Who asks, and for what; undefined when no key can be made: the call gets a run of its own. */
  #keyOf(call: ChatCall): string | undefined {
    const { tenant, kind, id, tier } = call.caller;
    try {
      // JSON escapes what could forge the end of a part.
      const who = JSON.stringify([tenant, kind, id, tier, call.stream, call.includeUsage]);
      return who + exactKeyOf(call);
    } catch {
      this.metrics?.fault('coalesced');
      return undefined;
    }
  }

  /** A caller who wants a fresh answer (`no-cache`, `no-store`, `x-sluice-cache: off`) gets a run of its own. */
  #applies(call: ChatCall): boolean {
    const { mode, noCache, noStore } = call.cache;
    return (
      this.config.current.sluice.coalescing.enabled &&
      this.#flags.isOn('coalescing', call) &&
      !noCache &&
      !noStore &&
      mode !== 'off' &&
      mode !== 'refresh'
    );
  }
}
