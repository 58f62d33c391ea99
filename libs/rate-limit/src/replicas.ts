import { RedisUnavailable, type RedisConnection } from '@sluice/redis';
import { randomToken, type Clock } from '@sluice/kernel';

const KEY = 'sluice:replicas';
const BEAT_MS = 2000;
const LOST_MS = 10_000;

/** How many gateways count together: each leaves a heartbeat in Redis and reads the others'. */
export class Replicas {
  readonly #me = randomToken(9);
  #timer: NodeJS.Timeout | undefined;
  #count = 1;

  constructor(
    private readonly redis: RedisConnection,
    private readonly clock: Clock,
  ) {}

  /** As last seen; at least 1. Stands still while Redis is away, when it is needed. */
  get count(): number {
    return this.#count;
  }

  async start(): Promise<void> {
    if (!this.redis.enabled) return;
    this.#timer = setInterval(() => void this.beat(), BEAT_MS);
    this.#timer.unref();
    await this.beat();
  }

  async beat(): Promise<void> {
    const now = this.clock.now();
    try {
      await this.redis.command(['ZADD', KEY, String(now), this.#me]);
      await this.redis.command(['ZREMRANGEBYSCORE', KEY, '-inf', String(now - LOST_MS)]);
      this.#count = Math.max(1, await this.redis.command<number>(['ZCARD', KEY]));
    } catch (error) {
      if (!(error instanceof RedisUnavailable)) throw error;
    }
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.redis.command(['ZREM', KEY, this.#me]).catch(() => undefined);
  }
}
