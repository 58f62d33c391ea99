import { Injectable } from '@nestjs/common';
import { ConfigStore } from '@sluice/config';
import { isAdmin, type Caller } from '@sluice/kernel';
import { RateOverrides } from './overrides/rate-overrides.js';
import { RatePolicy, hourly } from './rate-policy.js';
import { addressList, subjectOf } from './rate-subject.js';
import type { RateVerdict } from './rate-window.js';
import { RateStore } from './stores/rate.store.js';

export interface RateRequest {
  readonly caller: Caller;
  /** The matched route's pattern. */
  readonly route: string;
  /** The client's address as the trusted proxies tell it. */
  readonly address: string | undefined;
}

/** Decides whether one more request of a caller may pass. Knows no HTTP. */
@Injectable()
export class RateLimiter {
  readonly #policy: RatePolicy;
  readonly #allowed: (address: string | undefined) => boolean;

  constructor(
    config: ConfigStore,
    private readonly store: RateStore,
    private readonly overrides: RateOverrides,
  ) {
    this.#policy = new RatePolicy(config);
    this.#allowed = addressList(config.env.RATE_LIMIT_ALLOWLIST);
  }

  /**
   * Undefined when no limit holds for the request.
   * @throws GatewayError forbidden for a tier that is not configured
   */
  decide(request: RateRequest): RateVerdict | Promise<RateVerdict> | undefined {
    const { caller } = request;
    if (isAdmin(caller) || this.#allowed(request.address)) return undefined;
    const rule = this.#policy.ruleFor(caller.tier, request.route);
    const override = this.overrides.find(caller);
    if (override?.perHour === 'unlimited') return undefined;
    const windows = override === undefined ? rule.windows : [hourly(override.perHour)];
    if (windows.length === 0) return undefined;
    return this.store.decide(subjectOf(caller, rule.scope), windows);
  }
}
