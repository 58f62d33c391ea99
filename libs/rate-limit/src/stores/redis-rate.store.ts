import { LuaScript, type RedisConnection } from '@sluice/redis';
import { pageSize, type RateVerdict, type RateWindow } from '../rate-window.js';
import { RateStore } from './rate.store.js';

const DECIDE = LuaScript.load(import.meta.dirname, 'decide-requests.lua');
const CARRY = LuaScript.load(import.meta.dirname, 'carry-requests.lua');
const EPOCH = 'sluice:requests:epoch';
const US = 1000;

/** The log in Redis, shared by all replicas; time is the server's. */
export class RedisRateStore extends RateStore {
  constructor(private readonly redis: RedisConnection) {
    super();
  }

  /**
   * The name of this life of Redis's memory: `candidate` when it has none yet.
   * @throws RedisUnavailable
   */
  async epoch(candidate: string): Promise<string> {
    await this.redis.command(['SET', EPOCH, candidate, 'NX']);
    return (await this.redis.command<string | null>(['GET', EPOCH])) ?? candidate;
  }

  /**
   * Adds requests that were counted elsewhere, by their ages in microseconds, oldest first, a list for each window.
   * @throws RedisUnavailable
   */
  async carry(
    subject: string,
    windows: readonly RateWindow[],
    ages: readonly (readonly number[])[],
    at: number | '' = '',
  ): Promise<void> {
    const args: string[] = [String(at)];
    windows.forEach((window, i) => {
      const page = pageSize(window.limit);
      const mine = ages[i] ?? [];
      // An entry bears the time of the last of its requests.
      const entries = mine.filter((_, n) => (n + 1) % page === 0 || n === mine.length - 1);
      args.push(String(window.windowMs * US), String(page), String(entries.length));
      args.push(...entries.map((age) => String(Math.max(0, Math.round(age)))));
    });
    await this.redis.script(CARRY, keysOf(subject, windows), args);
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
    const args: string[] = [String(at)];
    for (const window of windows) {
      const page = pageSize(window.limit);
      args.push(String(window.limit), String(window.windowMs * US), String(page));
    }
    const reply = await this.redis.script<readonly (string | number)[]>(
      DECIDE,
      keysOf(subject, windows),
      args,
    );
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

function keysOf(subject: string, windows: readonly RateWindow[]): string[] {
  // The page is in the name: entries of another size cannot be counted together.
  return windows.map(
    ({ name, limit }) => `sluice:requests:{${subject}}:${name}:${pageSize(limit)}`,
  );
}
