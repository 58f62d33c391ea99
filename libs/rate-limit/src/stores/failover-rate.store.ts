import { randomToken } from '@sluice/kernel';
import { RedisUnavailable, type RedisConnection } from '@sluice/redis';
import { HOUR_MS, type RateVerdict, type RateWindow } from '../rate-window.js';
import type { Replicas } from '../replicas.js';
import type { MemoryRateStore } from './memory-rate.store.js';
import { RateStore } from './rate.store.js';
import { RecencyMap } from './recency-map.js';
import type { RedisRateStore } from './redis-rate.store.js';

/** What this replica knows of one subject beside its own log. */
interface Known {
  /** The windows that hold for it, in full. */
  windows: readonly RateWindow[];
  /** How many requests Redis said it still lets through, by window, and until when that is worth something. */
  readonly left: Map<RateWindow['name'], { until: number; requests: number }>;
  /** When this replica let requests through that Redis has not heard of, oldest first. Milliseconds. */
  untold: number[];
}

const MOST_SUBJECTS = 100_000;
const TOLD_TOGETHER = 64;
/** Redis may be back by then, and tells exactly. */
const RETRY_MS = 1000;

/**
 * Counts in Redis while it answers; else in this process, with this replica's share of each limit. What passed by Redis counts
 * in the share too, and never more passes than Redis said was left. When Redis is back it is told what passed without it, and
 * everything that this replica let through when it has lost its memory.
 */
export class FailoverRateStore extends RateStore {
  readonly #known = new RecencyMap<Known>(MOST_SUBJECTS, HOUR_MS);
  #epoch: string | undefined;
  /** Subjects of which Redis has not heard all. */
  readonly #untold = new Set<string>();
  #telling: Promise<void> | undefined;

  constructor(
    private readonly redis: RedisConnection,
    private readonly shared: RedisRateStore,
    private readonly own: MemoryRateStore,
    private readonly replicas: Replicas,
  ) {
    super();
    redis.onRecovery(() => void this.tell());
    if (redis.available) void this.#learn();
  }

  decide(subject: string, windows: readonly RateWindow[]): RateVerdict | Promise<RateVerdict> {
    if (!this.redis.enabled) return this.own.decide(subject, windows);
    if (!this.redis.available || this.#telling !== undefined) return this.#alone(subject, windows);
    return this.shared.decide(subject, windows).then(
      (verdict) => this.#noted(subject, windows, verdict),
      (error: unknown) => {
        if (error instanceof RedisUnavailable) return this.#alone(subject, windows);
        throw error;
      },
    );
  }

  /** Tells Redis what it has not heard of. Until then this replica goes on alone. */
  tell(): Promise<void> {
    this.#telling ??= this.#tell()
      .catch((error: unknown) => {
        // It went away again; its next return tries again.
        if (!(error instanceof RedisUnavailable)) throw error;
      })
      .finally(() => {
        this.#telling = undefined;
      });
    return this.#telling;
  }

  /** Which life of Redis's memory this is, so that the next can be told apart. */
  async #learn(): Promise<void> {
    // A fresh name each time: nobody may give the next life the name of this one.
    const epoch = await this.shared.epoch(randomToken(9)).catch(() => undefined);
    this.#epoch ??= epoch;
  }

  async #tell(): Promise<void> {
    const epoch = await this.shared.epoch(randomToken(9));
    const forgotten = this.#epoch !== undefined && this.#epoch !== epoch;
    const subjects = forgotten ? this.own.subjects() : [...this.#untold];
    for (let at = 0; at < subjects.length; at += TOLD_TOGETHER) {
      const some = subjects.slice(at, at + TOLD_TOGETHER);
      await Promise.all(some.map((subject) => this.#carry(subject, forgotten)));
    }
    this.#epoch = epoch;
    // What passed meanwhile.
    await Promise.all([...this.#untold].map((subject) => this.#carry(subject, false)));
  }

  async #carry(subject: string, everything: boolean): Promise<void> {
    const known = this.#known.peek(subject);
    this.#untold.delete(subject);
    if (known === undefined) return;
    const now = performance.now();
    const untold = known.untold.map((at) => (now - at) * 1000);
    known.untold = [];
    const { windows } = known;
    const ages = windows.map((window) => (everything ? this.own.ages(subject, window) : untold));
    await this.shared.carry(subject, windows, ages);
  }

  #noted(subject: string, windows: readonly RateWindow[], verdict: RateVerdict): RateVerdict {
    if (verdict.allowed) this.own.count(subject, this.#share(windows));
    const now = performance.now();
    const { left } = this.#of(subject, windows, now);
    for (const { window, remaining } of verdict.states) {
      left.set(window.name, { until: now + window.windowMs, requests: remaining });
    }
    return verdict;
  }

  #alone(subject: string, windows: readonly RateWindow[]): RateVerdict {
    const now = performance.now();
    const known = this.#of(subject, windows, now);
    const share = this.#share(windows);
    const words = windows.map(({ name }) => known.left.get(name));
    const told = words.filter((word) => word !== undefined && word.until > now);
    if (told.some((word) => (word?.requests ?? 0) <= 0)) {
      const states = share.map((window) => ({ window, remaining: 0, resetMs: window.windowMs }));
      return { allowed: false, retryAfterMs: RETRY_MS, states, degraded: true };
    }
    const verdict = this.own.decide(subject, share);
    if (verdict.allowed) {
      for (const word of told) if (word !== undefined) word.requests--;
      known.untold.push(now);
      this.#untold.add(subject);
    }
    return { ...verdict, degraded: true };
  }

  #of(subject: string, windows: readonly RateWindow[], now: number): Known {
    const known = this.#known.touch(subject, now, () => ({ windows, left: new Map(), untold: [] }));
    known.windows = windows;
    return known;
  }

  #share(windows: readonly RateWindow[]): readonly RateWindow[] {
    return windows.map((window) => ({
      ...window,
      limit: Math.max(1, Math.floor(window.limit / this.replicas.count)),
    }));
  }
}
