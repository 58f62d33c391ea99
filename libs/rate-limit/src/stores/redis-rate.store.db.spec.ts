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

  it('takes requests that were counted elsewhere, each at its own time', async () => {
    const [rules, second] = [windows(3, 10), 1_000_000];
    const at = 1_000_000 * second;
    await store.decideAt('t/carried', rules, at - 20 * second);
    const ages = [7200, 90, 30, 10].map((seconds) => seconds * second);
    await store.carry('t/carried', rules, [ages, ages], at);
    const refused = await store.decideAt('t/carried', rules, at);
    expect([refused.allowed, refused.retryAfterMs]).toEqual([false, 30_000]);
    expect(refused.states.map(({ remaining }) => remaining)).toEqual([0, 6]);
    const later = await store.decideAt('t/carried', rules, at + 30 * second);
    expect(later.allowed).toBe(true);
  });

  it('takes them in pages where the limit is large, and never counts too few', async () => {
    const rules = windows(2500, 2500);
    const at = 2_000_000_000_000;
    await store.carry('t/pages', rules, [Array<number>(2499).fill(5_000_000), []], at);
    expect((await store.decideAt('t/pages', rules, at)).allowed).toBe(true);
    expect((await store.decideAt('t/pages', rules, at)).allowed).toBe(false);
    const next = await store.decideAt('t/pages', rules, at + 55_000_000);
    expect([next.allowed, next.states[0]?.remaining]).toEqual([true, 2498]);
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
    // A hundred timeouts would take seconds each: but for the first ones nobody waits.
    expect(slowest[50]).toBeLessThan(60);
    const back = new Promise<void>((resolve) => live.onRecovery(resolve));
    server.thaw();
    await back;
    await both.tell();
    const after = await both.decide('t/frozen', windows(30, 30));
    expect(after.degraded).toBe(false);
    // Redis was told of the nine: with the first and this one they make eleven. The one that timed out may have been
    // executed all the same, and then counts twice.
    for (const { remaining } of after.states) expect([18, 19]).toContain(remaining);
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

  it('tells a Redis that has lost its memory all that this replica let through', async () => {
    const { store: both, live } = await failover();
    await both.tell();
    const rules = windows(30, 60);
    for (let i = 0; i < 4; i++) await both.decide('t/lost', rules);
    await server.kill();
    await expect(live.command(['PING'])).rejects.toThrow();
    expect(await both.decide('t/lost', rules)).toMatchObject({ allowed: true, degraded: true });
    const back = new Promise<void>((resolve) => live.onRecovery(resolve));
    await server.restart();
    await back;
    await both.tell();
    const after = await both.decide('t/lost', rules);
    expect([after.degraded, after.states.map(({ remaining }) => remaining)]).toEqual([
      false,
      [24, 54],
    ]);
    await live.close();
    await redis.ready(5000);
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
