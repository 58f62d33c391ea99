import { Injectable } from '@nestjs/common';
import { GatewayError } from '@sluice/kernel';
import { CacheMetrics } from '../cache-metrics.js';
import { CacheStorage } from '../cache-storage.js';
import { ShadowChecks } from '../control/shadow-checks.js';
import type { ClearFilter } from '../exact/key-pattern.js';
import { RecentHits } from '../recent-hits.js';
import { CacheWarmer, type WarmQuery, type WarmResult } from '../warming/cache-warmer.js';
import { ClearChannel } from './clear-channel.js';

export interface Removed {
  readonly l1: number;
  readonly l2: number;
  readonly semantic: number;
}

/** What operators do with the cache. */
@Injectable()
export class CacheAdminService {
  constructor(
    private readonly storage: CacheStorage,
    private readonly channel: ClearChannel,
    private readonly warmer: CacheWarmer,
    private readonly metrics: CacheMetrics,
    private readonly checks: ShadowChecks,
    private readonly recent: RecentHits,
  ) {}

  /** Everywhere: all tiers, and the memory of every replica. */
  async clear(filter: ClearFilter): Promise<Removed> {
    const removed = await this.storage.clear(filter);
    await this.channel.tell(filter);
    return removed;
  }

  /** Removes what has expired. */
  cleanup(): Promise<Removed> {
    return this.storage.sweep();
  }

  /** @param queries the configured ones when left out */
  warm(queries: readonly WarmQuery[] | undefined): Promise<WarmResult> {
    return this.warmer.warm(queries);
  }

  /**
   * Says that a hit was right or wrong. A wrong one is evicted with its neighbours, and the controller learns either way.
   * @param callId the request id of the answer
   * @throws GatewayError not_found when the call was no hit, or too long ago
   */
  async feedback(callId: string, correct: boolean): Promise<{ readonly evicted: number }> {
    const hit = this.recent.get(callId);
    if (hit === undefined) {
      throw new GatewayError('not_found', `No recent cache hit has the request id ${callId}.`, {
        param: 'request_id',
      });
    }
    const { candidate, question, key } = hit;
    if (candidate !== undefined) this.checks.controller.label(candidate, !correct);
    if (correct) return { evicted: 0 };
    await this.storage.evict(key);
    await this.channel.tell({ key });
    if (candidate === undefined || question === undefined) return { evicted: 1 };
    return { evicted: await this.storage.semantic.evict(question, candidate.id) };
  }

  async stats(): Promise<unknown> {
    const held = await this.storage.count();
    const tier = (name: 'l1' | 'l2' | 'semantic'): unknown => {
      const { hits, misses, rate, p50, p95 } = this.metrics.tier(name);
      const { entries, bytes, evictions } = held[name];
      return {
        hits,
        misses,
        hit_rate: rate,
        entries,
        bytes,
        evictions,
        latency_ms: { p50, p95 },
      };
    };
    const { state, reason, embedder } = this.storage.semantic.status;
    const report = this.checks.controller.report();
    return {
      hit_rate: this.metrics.hitRate,
      tiers: { l1: tier('l1'), l2: tier('l2') },
      semantic: {
        ...(tier('semantic') as object),
        state,
        ...(reason === '' ? {} : { reason }),
        embedder,
        vetoes: this.metrics.vetoes,
        shadow_checks: report.checks,
        wrong_hit_rate: { estimate: report.mean, lower: report.lower, upper: report.upper },
        controller: { state: report.state, threshold: report.threshold },
      },
      warming: { promoted: this.warmer.promoted },
    };
  }
}
