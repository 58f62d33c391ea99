import type { ConfigSnapshot, ConfigStore, Environment, TierPolicy } from '@sluice/config';
import { GatewayError } from '@sluice/kernel';
import { HOUR_MS, MINUTE_MS, type RateWindow } from './rate-window.js';

/** The windows that hold on one route for one tier; `scope` tells apart what is counted apart. */
export interface RateRule {
  readonly windows: readonly RateWindow[];
  /** Empty for the tier's own limits, the route where it has its own. */
  readonly scope: string;
}

type Requests = TierPolicy['requests'];

/** Which windows hold for whom: policies.yaml, then the environment's `RATE_LIMIT_<TIER>_*`. */
export class RatePolicy {
  #snapshot: ConfigSnapshot | undefined;
  /** By tier, then by route. */
  readonly #rules = new Map<string, Map<string, RateRule>>();

  constructor(private readonly config: ConfigStore) {}

  /**
   * @param route the matched route's pattern
   * @throws GatewayError forbidden when no such tier is configured
   */
  ruleFor(tier: string, route: string): RateRule {
    const current = this.config.current;
    if (current !== this.#snapshot) {
      this.#rules.clear();
      this.#snapshot = current;
    }
    return this.#rules.get(tier)?.get(route) ?? this.#compile(tier, route, current);
  }

  #compile(tier: string, route: string, current: ConfigSnapshot): RateRule {
    const rule = compile(tier, route, current, this.config.env);
    const routes = this.#rules.get(tier) ?? new Map<string, RateRule>();
    this.#rules.set(tier, routes.set(route, rule));
    return rule;
  }
}

function compile(
  tier: string,
  route: string,
  { policies }: ConfigSnapshot,
  env: Environment,
): RateRule {
  const policy = Object.hasOwn(policies.tiers, tier) ? policies.tiers[tier] : undefined;
  if (policy === undefined) {
    throw new GatewayError('forbidden', `The tier "${tier}" is not configured here.`, {
      shouldRetry: false,
    });
  }
  const own = Object.hasOwn(policy.routes, route) ? policy.routes[route] : undefined;
  if (own !== undefined) return { windows: windowsOf(own.requests), scope: route };
  const override = env.rateLimits[tier.toLowerCase().replace(/[^a-z0-9]/g, '_')];
  if (override === undefined) return { windows: windowsOf(policy.requests), scope: '' };
  const base = policy.requests === 'unlimited' ? {} : policy.requests;
  return { windows: windowsOf({ ...base, ...override }), scope: '' };
}

function windowsOf(requests: Requests): readonly RateWindow[] {
  if (requests === 'unlimited') return [];
  const windows: RateWindow[] = [];
  const { burstPerMinute, perHour } = requests;
  if (burstPerMinute !== undefined) {
    windows.push({ name: 'minute', limit: burstPerMinute, windowMs: MINUTE_MS });
  }
  if (perHour !== undefined) windows.push(hourly(perHour));
  return windows;
}

export function hourly(limit: number): RateWindow {
  return { name: 'hour', limit, windowMs: HOUR_MS };
}
