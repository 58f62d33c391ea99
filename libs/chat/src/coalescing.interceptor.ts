import { Injectable, Optional } from '@nestjs/common';
import { ConfigStore, EnvironmentFlags } from '@sluice/config';
import {
  ChatInterceptor,
  FeatureFlags,
  type ChatCall,
  type ChatHandler,
  type ChatReply,
} from '@sluice/kernel';
import { exactKeyOf } from '@sluice/semantic-cache';
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
  ) {
    super();
    this.#flags = flags ?? new EnvironmentFlags(config);
  }

  async around(call: ChatCall, next: ChatHandler): Promise<ChatReply> {
    if (!this.#applies(call)) return next(call);
    const { tenant, id } = call.caller;
    const form = call.stream ? `${call.dialect}/stream` : call.dialect;
    const key = `${tenant}\n${id}\n${form}\n${String(call.includeUsage)}\n${exactKeyOf(call)}`;
    const running = this.#runs.get(key);
    if (running?.joinable === true) return running.join(call);
    const run = new SharedRun(call, next, () => {
      if (this.#runs.get(key) === run) this.#runs.delete(key);
    });
    this.#runs.set(key, run);
    return run.join(call);
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
