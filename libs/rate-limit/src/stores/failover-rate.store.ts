import { RedisUnavailable, type RedisConnection } from '@sluice/redis';
import { HOUR_MS, type RateVerdict, type RateWindow } from '../rate-window.js';
import type { Replicas } from '../replicas.js';
import type { MemoryRateStore } from './memory-rate.store.js';
import { RateStore } from './rate.store.js';
import { RecencyMap } from './recency-map.js';
import type { RedisRateStore } from './redis-rate.store.js';

/** What the shared counters said last: how many requests they still let through, by window. */
interface LastWord {
  readonly left: Map<RateWindow['name'], { until: number; requests: number }>;
}

const MOST_SUBJECTS = 100_000;
/** Redis may be back by then, and tells exactly. */
const RETRY_MS = 1000;

/**
 * Counts in Redis while it answers; else in this process, with this replica's share of each limit. What passed by Redis counts
 * in the share too, and never more passes than Redis said was left.
 */
export class FailoverRateStore extends RateStore {
  readonly #lastWords = new RecencyMap<LastWord>(MOST_SUBJECTS, HOUR_MS);

  constructor(
    private readonly redis: RedisConnection,
    private readonly shared: RedisRateStore,
    private readonly own: MemoryRateStore,
    private readonly replicas: Replicas,
  ) {
    super();
  }

  decide(subject: string, windows: readonly RateWindow[]): RateVerdict | Promise<RateVerdict> {
    if (!this.redis.enabled) return this.own.decide(subject, windows);
    if (!this.redis.available) return this.#alone(subject, windows);
    return this.shared.decide(subject, windows).then(
      (verdict) => this.#noted(subject, windows, verdict),
      (error: unknown) => {
        if (error instanceof RedisUnavailable) return this.#alone(subject, windows);
        throw error;
      },
    );
  }

  #noted(subject: string, windows: readonly RateWindow[], verdict: RateVerdict): RateVerdict {
    if (verdict.allowed) this.own.count(subject, windows);
    const now = performance.now();
    const { left } = this.#lastWords.touch(subject, now, () => ({ left: new Map() }));
    for (const { window, remaining } of verdict.states) {
      left.set(window.name, { until: now + window.windowMs, requests: remaining });
    }
    return verdict;
  }

  #alone(subject: string, windows: readonly RateWindow[]): RateVerdict {
    const now = performance.now();
    const { left } = this.#lastWords.touch(subject, now, () => ({ left: new Map() }));
    const known = windows.map(({ name }) => left.get(name)).filter((at) => at !== undefined);
    const told = known.filter(({ until }) => until > now);
    const share = windows.map((window) => ({
      ...window,
      limit: Math.max(1, Math.floor(window.limit / this.replicas.count)),
    }));
    if (told.some(({ requests }) => requests <= 0)) {
      const states = share.map((window) => ({ window, remaining: 0, resetMs: window.windowMs }));
      return { allowed: false, retryAfterMs: RETRY_MS, states, degraded: true };
    }
    const verdict = this.own.decide(subject, share);
    if (verdict.allowed) for (const word of told) word.requests--;
    return { ...verdict, degraded: true };
  }
}
