import { Injectable } from '@nestjs/common';
import { ConfigStore } from '@sluice/config';
import { isAdmin, type Caller } from '@sluice/kernel';
import { RateOverrides } from './overrides/rate-overrides.js';
import { RatePolicy, hourly, type RateRule } from './rate-policy.js';
import { addressList, subjectOf } from './rate-subject.js';
import type { RateVerdict } from './rate-window.js';
import { RateStore } from './stores/rate.store.js';

export interface RateRequest {
  readonly caller: Caller;
  /** The matched route's pattern. */
  readonly route: string;
  /** Its address as the trusted proxies tell it: only looked at when some are exempt, for finding it costs something. */
  readonly client: { readonly ip?: string };
}

/** What is the same for all of a caller's requests to a route. */
interface Known {
  readonly rule: RateRule;
  readonly subject: string;
}

/** Decides whether one more request of a caller may pass. Knows no HTTP. */
@Injectable()
export class RateLimiter {
  readonly #policy: RatePolicy;
  readonly #allowed: ((address: string | undefined) => boolean) | undefined;
  /** By caller and route. A rule of an earlier configuration is another object. */
  readonly #known = new WeakMap<Caller, Map<string, Known>>();

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
    if (isAdmin(caller) || this.#allowed?.(request.client.ip) === true) return undefined;
    const { rule, subject } = this.#knownOf(caller, request.route);
    const override = this.overrides.find(caller);
    if (override?.perHour === 'unlimited') return undefined;
    const windows = override === undefined ? rule.windows : [hourly(override.perHour)];
    if (windows.length === 0) return undefined;
    return this.store.decide(subject, windows);
  }

  #knownOf(caller: Caller, route: string): Known {
    const rule = this.#policy.ruleFor(caller.tier, route);
    let routes = this.#known.get(caller);
    if (routes === undefined) this.#known.set(caller, (routes = new Map<string, Known>()));
    let known = routes.get(route);
    if (known?.rule !== rule) {
      known = { rule, subject: subjectOf(caller, rule.scope) };
      routes.set(route, known);
    }
    return known;
  }
}
