import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { ManualClock, SystemClock } from '@sluice/kernel';
import { SilentLogger } from '@sluice/observability';
import { LiveRedisConnection, startTestRedis, type TestRedis } from '@sluice/redis';
import { describeRateStore, gaps } from '../../testing/rate-store.contract.js';
import { windows } from '../../testing/windows.js';
import { Replicas } from '../replicas.js';
import { FailoverRateStore } from './failover-rate.store.js';
import { MemoryRateStore } from './memory-rate.store.js';
import { RedisRateStore } from './redis-rate.store.js';

let server: TestRedis;
let redis: LiveRedisConnection;
let store: RedisRateStore;

beforeAll(async () => {
  server = await startTestRedis();
  redis = new LiveRedisConnection({ url: server.url, commandTimeoutMs: 2000 }, new SilentLogger());
  await redis.ready(3000);
  store = new RedisRateStore(redis);
});
afterAll(async () => {
  await redis.close();
  await server.stop();
});

describeRateStore('redis', () => store, { runs: 25 });

describe('the store in Redis', () => {
  it('agrees with its twin in process on 1,000 random traces', async () => {
    const step = fc.record({
      gap: fc.oneof(gaps, fc.integer({ min: -4_000_000_000, max: 0 })),
      minute: fc.integer({ min: 1, max: 5 }),
      hour: fc.integer({ min: 1, max: 9 }),
    });
    const traces = fc.sample(fc.array(step, { minLength: 1, maxLength: 12 }), 1000);
    const differing = await Promise.all(
      traces.map(async (trace, n) => {
        const twin = new MemoryRateStore(new ManualClock());
        let at = 1_000_000_000_000;
        for (const { gap, minute, hour } of trace) {
          at += gap;
          const ours = twin.decideAt(`t/${n}`, windows(minute, hour), at);
          const theirs = await store.decideAt(`t/twin-${n}`, windows(minute, hour), at);
          if (JSON.stringify(ours) !== JSON.stringify(theirs)) return { trace, at, ours, theirs };
        }
        return undefined;
      }),
    );
    expect(differing.filter((difference) => difference !== undefined)).toEqual([]);
  });

  it('lets exactly 100 of 2,000 calls through that three processes make at once', async () => {
    const root = join(import.meta.dirname, '../../../..');
    const burst = ['--import', './tools/typescript.mjs', 'libs/rate-limit/testing/burst.ts'];
    const outputs = await Promise.all(
      ['667', '667', '666'].map((count) =>
        promisify(execFile)(process.execPath, [...burst, server.url, count], { cwd: root }),
      ),
    );
    expect(outputs.reduce((sum, { stdout }) => sum + Number(stdout), 0)).toBe(100);
  });

  it('takes the time of the server when none is given', async () => {
    const first = await store.decide('t/clock', windows(1, 5));
    const second = await store.decide('t/clock', windows(1, 5));
    expect([first.allowed, second.allowed]).toEqual([true, false]);
    expect(second.retryAfterMs).toBeGreaterThan(55_000);
  });

  it('lets its keys expire with their windows', async () => {
    await store.decide('t/expiry', windows(1500, 5));
    const life = (key: string) =>
      redis.command<number>(['PTTL', `sluice:requests:{t/expiry}:${key}`]);
    for (const key of ['minute:2', 'minute:2:open']) {
      expect(await life(key)).toBeGreaterThan(50_000);
      expect(await life(key)).toBeLessThanOrEqual(61_000);
    }
  });
});

describe('the store that falls back', () => {
  const replicas = { count: 3 } as unknown as Replicas;

  async function failover(): Promise<{ store: FailoverRateStore; live: LiveRedisConnection }> {
    const live = new LiveRedisConnection({ url: server.url }, new SilentLogger());
    await live.ready(3000);
    const own = new MemoryRateStore(new SystemClock());
    return { store: new FailoverRateStore(live, new RedisRateStore(live), own, replicas), live };
  }

  it('limits each replica to its share while Redis is frozen, adds little, and returns to Redis', async () => {
    const { store: both, live } = await failover();
    expect((await both.decide('t/frozen', windows(30, 30))).degraded).toBe(false);
    server.freeze();
    const slowest: number[] = [];
    let passed = 0;
    for (let i = 0; i < 100; i++) {
      const started = performance.now();
      const verdict = await both.decide('t/frozen', windows(30, 30));
      slowest.push(performance.now() - started);
      expect(verdict.degraded).toBe(true);
      if (verdict.allowed) passed++;
    }
    // A third of thirty, less the one that Redis let through.
    expect(passed).toBe(9);
    slowest.sort((a, b) => a - b);
    expect(slowest[98]).toBeLessThan(60);
    const back = new Promise<void>((resolve) => live.onRecovery(resolve));
    server.thaw();
    await back;
    const after = await both.decide('t/frozen', windows(30, 30));
    expect(after.degraded).toBe(false);
    await live.close();
  });

  it('lets no more through beside a Redis that is out of reach than Redis said was left', async () => {
    const { store: both, live } = await failover();
    const [rules, others] = [windows(30, 30), new RedisRateStore(redis)];
    for (let i = 0; i < 27; i++) await others.decide('t/nearly', rules);
    expect((await both.decide('t/nearly', rules)).states[0]?.remaining).toBe(2);
    for (let i = 0; i < 30; i++) await others.decide('t/full', rules);
    expect((await both.decide('t/full', rules)).allowed).toBe(false);
    server.freeze();
    const passed = { nearly: 0, full: 0 };
    for (let i = 0; i < 20; i++) {
      if ((await both.decide('t/nearly', rules)).allowed) passed.nearly++;
      if ((await both.decide('t/full', rules)).allowed) passed.full++;
    }
    const back = new Promise<void>((resolve) => live.onRecovery(resolve));
    server.thaw();
    await back;
    await live.close();
    expect(passed).toEqual({ nearly: 2, full: 0 });
  });

  it('passes on what is wrong with the script itself', async () => {
    const { store: both, live } = await failover();
    await live.command(['SET', 'sluice:requests:{t/wrong}:hour:1', 'not a list']);
    const hour = windows(5, 5).slice(1);
    await expect(both.decide('t/wrong', hour)).rejects.toThrow('WRONGTYPE');
    await live.close();
  });
});

describe('replicas', () => {
  it('count one another through heartbeats and keep the count while Redis is away', async () => {
    const clock = new ManualClock(Date.now());
    const [a, b] = [new Replicas(redis, clock), new Replicas(redis, clock)];
    await a.start();
    await b.start();
    await a.beat();
    expect([a.count, b.count]).toEqual([2, 2]);
    await b.stop();
    await a.beat();
    expect(a.count).toBe(1);
    await b.beat();
    clock.advance(11_000);
    await a.beat();
    expect(a.count).toBe(1);
    await a.stop();
  });
});
