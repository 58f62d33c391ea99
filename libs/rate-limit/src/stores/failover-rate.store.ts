import { RedisUnavailable, type RedisConnection } from '@sluice/redis';
import type { RateVerdict, RateWindow } from '../rate-window.js';
import type { Replicas } from '../replicas.js';
import type { MemoryRateStore } from './memory-rate.store.js';
import { RateStore } from './rate.store.js';
import type { RedisRateStore } from './redis-rate.store.js';

/** Counts in Redis while it answers; else in this process, with this replica's share of each limit. */
export class FailoverRateStore extends RateStore {
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
    return this.shared.decide(subject, windows).catch((error: unknown) => {
      if (error instanceof RedisUnavailable) return this.#alone(subject, windows);
      throw error;
    });
  }

  #alone(subject: string, windows: readonly RateWindow[]): RateVerdict {
    const share = windows.map((window) => ({
      ...window,
      limit: Math.max(1, Math.floor(window.limit / this.replicas.count)),
    }));
    return { ...this.own.decide(subject, share), degraded: true };
  }
}
