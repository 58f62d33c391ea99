import type { Clock } from '@sluice/kernel';
import { LRUCache } from 'lru-cache';
import type { SuccessLedger } from '../learning/success.ledger.js';
import type { RoutingPorts } from '../ports/routing-ports.js';
import type { Ranking, SelectionRequest } from './candidate.selector.js';

/** Load and latency move without a version: a ranking older than this is not trusted with them. */
const MAX_AGE_MS = 500;
const MAX_ENTRIES = 2000;

export interface RankingWorld {
  readonly ports: RoutingPorts;
  readonly ledger: SuccessLedger;
  /** Of the configuration. */
  readonly version: number;
}

/**
 * Rankings by the pattern of features that they depend on. A new configuration, a breaker that changes and an upgrade
 * each make new keys, so nothing stale is ever found.
 */
export class RankingCache {
  readonly #entries = new LRUCache<string, { readonly ranking: Ranking; readonly at: number }>({
    max: MAX_ENTRIES,
  });

  constructor(private readonly clock: Clock) {}

  through(
    request: SelectionRequest,
    world: RankingWorld,
    rank: () => Ranking,
  ): { readonly ranking: Ranking; readonly cached: boolean } {
    const key = patternOf(request, world);
    const now = this.clock.monotonic();
    const hit = this.#entries.get(key);
    if (hit !== undefined && now - hit.at < MAX_AGE_MS)
      return { ranking: hit.ranking, cached: true };
    const ranking = rank();
    this.#entries.set(key, { ranking, at: now });
    return { ranking, cached: false };
  }
}

function patternOf({ call, features, grade, warm }: SelectionRequest, world: RankingWorld): string {
  // Costs are relative, so sizes may be coarse; which windows a prompt fits is exact.
  const size = Math.round(Math.log2(1 + features.promptTokens) * 2);
  const bound =
    features.maxTokens === undefined ? '' : Math.round(Math.log2(1 + features.maxTokens) * 2);
  const needed = features.promptTokens + (features.maxTokens ?? 1);
  let fits = '';
  for (const { target } of world.ports.catalog.list())
    fits += (target.contextTokens ?? Infinity) >= needed ? '1' : '0';
  return [
    grade,
    features.needs.join('+'),
    size,
    bound,
    fits,
    call.caller.tier,
    warm ?? '',
    world.version,
    world.ports.health.version,
    world.ledger.version,
  ].join('|');
}
