import { LuaScript, type RedisConnection } from '@sluice/redis';
import { pageSize, type RateVerdict, type RateWindow } from '../rate-window.js';
import { RateStore } from './rate.store.js';

const DECIDE = LuaScript.load(import.meta.dirname, 'decide-requests.lua');
const US = 1000;

/** The log in Redis, shared by all replicas; time is the server's. */
export class RedisRateStore extends RateStore {
  constructor(private readonly redis: RedisConnection) {
    super();
  }

  /** @throws RedisUnavailable */
  decide(subject: string, windows: readonly RateWindow[]): Promise<RateVerdict> {
    return this.decideAt(subject, windows, '');
  }

  /** {@link decide} at a given time in microseconds; the empty text is the server's own. */
  async decideAt(
    subject: string,
    windows: readonly RateWindow[],
    at: number | '',
  ): Promise<RateVerdict> {
    const keys: string[] = [];
    const args: string[] = [String(at)];
    for (const window of windows) {
      const page = pageSize(window.limit);
      // The page is in the name: entries of another size cannot be counted together.
      keys.push(`sluice:requests:{${subject}}:${window.name}:${page}`);
      args.push(String(window.limit), String(window.windowMs * US), String(page));
    }
    const reply = await this.redis.script<readonly (string | number)[]>(DECIDE, keys, args);
    return {
      allowed: reply[0] === 1,
      retryAfterMs: Math.ceil(Number(reply[1]) / US),
      degraded: false,
      states: windows.map((window, i) => ({
        window,
        remaining: Math.max(0, window.limit - Number(reply[2 + 2 * i])),
        resetMs: Math.ceil(Number(reply[3 + 2 * i]) / US),
      })),
    };
  }
}
