import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { ManualClock, uuidv7 } from '@sluice/kernel';
import { SilentLogger } from '@sluice/observability';
import { LiveRedisConnection, startTestRedis, type TestRedis } from '@sluice/redis';
import {
  counters,
  describeBankedLedger,
  describeSpendLedger,
  run,
  traces,
} from '../../testing/spend-ledger.contract.js';
import { MemoryLedger } from './memory.ledger.js';
import { RedisLedger } from './redis.ledger.js';

let server: TestRedis;
let redis: LiveRedisConnection;
const clock = new ManualClock();

beforeAll(async () => {
  server = await startTestRedis();
  redis = new LiveRedisConnection({ url: server.url, commandTimeoutMs: 2000 }, new SilentLogger());
  await redis.ready(3000);
});
afterAll(async () => {
  await redis.close();
  await server.stop();
});

const make = (banked: boolean) => () => ({
  ledger: new RedisLedger(redis, { banked, now: () => clock.now() }),
  clock,
});
describeSpendLedger('redis', make(false), { runs: 40 });

describe('the ledger in Redis', () => {
  describeBankedLedger('redis', make(true));

  it('agrees with its twin in process on 1,000 random traces', async () => {
    const start = clock.now();
    let n = 0;
    for (const trace of fc.sample(traces, 1000)) {
      const name = `twin${n++}-`;
      const ours = { ledger: new MemoryLedger(clock, false), clock };
      const theirs = { ledger: make(false)().ledger, clock };
      for (const step of trace) {
        if (step.do === 'pass') clock.advance(step.ms);
        else {
          const expected = await run(ours, name, step);
          const actual = await run(theirs, name, step);
          // Both sweep everything that is due, of whatever trace.
          if (step.do !== 'sweep') expect(actual).toEqual(expected);
        }
      }
      const all = counters(name);
      expect(await theirs.ledger.read(all)).toEqual(ours.ledger.read(all));
      // What the next trace must not sweep.
      clock.advance(60_000);
      await theirs.ledger.sweep();
    }
    expect(clock.now()).toBeGreaterThan(start);
  });

  it('sends what is asked together in few steps, and answers each as if it had come alone', async () => {
    const counter = 'system|tokens|2026-06';
    const [ledger, twin] = [make(false)().ledger, new MemoryLedger(clock, false)];
    const evaluations = async () => {
      const stats = await redis.command<string>(['INFO', 'commandstats']);
      return Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1] ?? 0);
    };
    await ledger.read([counter]);
    const before = await evaluations();
    const shares = [{ counter, amount: 7, limit: 500 }];
    const ids = Array.from({ length: 100 }, (_, i) => `together${i % 90}`);
    const held = await Promise.all(ids.map((id) => ledger.reserve(id, shares, 60_000)));
    expect(held).toEqual(ids.map((id) => twin.reserve(id, shares, 60_000)));
    const mixed = ids.map((id, i) => {
      if (i % 2 === 0) return ledger.settle(id, [{ counter, amount: i }], shares);
      return ledger.topUp(id, shares);
    });
    const expected = ids.map((id, i) => {
      if (i % 2 === 0) return twin.settle(id, [{ counter, amount: i }], shares);
      return twin.topUp(id, shares);
    });
    expect(await Promise.all<unknown>(mixed)).toEqual(expected);
    expect(await evaluations()).toBeLessThanOrEqual(before + 8);
  });

  it('remembers which counters crossed a threshold until somebody has told it', async () => {
    const counter = 'caller:t/a|b|tokens|2026-07';
    const thresholds = () => [0.5, 0.9];
    const ledger = new RedisLedger(redis, { banked: false, thresholds });
    const spend = async (id: string, amount: number) => {
      await ledger.reserve(id, [{ counter, amount, limit: 100 }], 60_000);
      await ledger.settle(id, [{ counter, amount }], []);
    };
    await spend('below', 49);
    expect((await ledger.look()).crossings).toEqual([]);
    await spend('above', 45);
    const { crossings } = await ledger.look();
    expect(crossings.map(({ threshold, spent, limit }) => [threshold, spent, limit])).toEqual(
      expect.arrayContaining([
        [0.5, 94, 100],
        [0.9, 94, 100],
      ]),
    );
    expect(crossings[0]?.counter).toBe(counter);
    await ledger.told(crossings);
    await spend('more', 1);
    expect((await ledger.look()).crossings).toEqual([]);
  });

  it('takes leases by the time of the server when none is given', async () => {
    const ledger = new RedisLedger(redis, { banked: false });
    const shares = [{ counter: 'system|tokens|2026-03-03', amount: 4, limit: 10 }];
    await ledger.reserve('real', shares, 60_000);
    // Whatever a gateway's own clock says.
    const skewed = jest.spyOn(Date, 'now').mockReturnValue(0);
    await ledger.extend(['real', ...Array.from({ length: 1200 }, (_, i) => `gone${i}`)], 60_000);
    skewed.mockRestore();
    expect(await ledger.sweep()).toBe(0);
    expect((await ledger.read(['system|tokens|2026-03-03']))[0]).toMatchObject({
      spent: 0,
      held: 4,
    });
    const deadline = Number(
      await redis.command(['ZSCORE', 'sluice:{spend}:leases', 'sluice:{spend}:r:real']),
    );
    expect(Math.abs(deadline - Date.now() - 60_000)).toBeLessThan(5000);
  });

  it('remembers little of what is settled, and for less than a minute', async () => {
    await redis.command(['FLUSHALL']);
    const ledger = make(false)().ledger;
    const counter = 'system|tokens|2026-05-05';
    const shares = [{ counter, amount: 1, limit: 1e6 }];
    const size = async (key: string) =>
      (await redis.command<number | null>(['MEMORY', 'USAGE', key, 'SAMPLES', '0'])) ?? 0;
    const ids = Array.from({ length: 5000 }, () => uuidv7());
    await Promise.all(ids.map((id) => ledger.reserve(id, shares, 60_000)));
    await Promise.all(ids.map((id) => ledger.settle(id, shares, [])));
    const keys = await redis.command<string[]>(['KEYS', '*']);
    const sets = keys.filter((key) => key.includes('settled'));
    // Beside them, nothing but the period's counters.
    expect(keys).toHaveLength(sets.length + 1);
    const bytes = (await Promise.all(sets.map(size))).reduce((sum, each) => sum + each, 0);
    expect(bytes / ids.length).toBeLessThan(120);
    const again = () => ledger.reserve(ids[0]!, shares, 60_000);
    clock.advance(20_000);
    await ledger.sweep();
    expect(await again()).toEqual({ kind: 'known', state: 'settled' });
    clock.advance(20_000);
    await ledger.sweep();
    expect((await again()).kind).toBe('held');
    expect(await redis.command(['EXISTS', ...sets])).toBe(0);
  });

  it('lets reservations and periods expire by themselves', async () => {
    const ledger = new RedisLedger(redis, { banked: false });
    const shares = [{ counter: 'system|tokens|2026-04-04', amount: 4, limit: 10 }];
    await ledger.reserve('life', shares, 60_000);
    const life = (key: string) => redis.command<number>(['PTTL', `sluice:{spend}:${key}`]);
    expect(await life('r:life')).toBeGreaterThan(6 * 86_400_000);
    expect(await life('2026-04-04')).toBeGreaterThan(8 * 86_400_000);
    const month = [{ counter: 'system|tokens|2026-04', amount: 4, limit: 10 }];
    await ledger.reserve('month', month, 60_000);
    expect(await life('2026-04')).toBeGreaterThan(35 * 86_400_000);
  });
});
