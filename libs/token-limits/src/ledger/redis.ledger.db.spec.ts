import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ManualClock } from '@sluice/kernel';
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

  it('takes leases by the time of the server when none is given', async () => {
    const ledger = new RedisLedger(redis, { banked: false });
    const shares = [{ counter: 'system|tokens|2026-03-03', amount: 4, limit: 10 }];
    await ledger.reserve('real', shares, 60_000);
    await ledger.extend(['real'], 60_000);
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

  it('lets reservations and periods expire by themselves', async () => {
    const ledger = new RedisLedger(redis, { banked: false });
    const shares = [{ counter: 'system|tokens|2026-04-04', amount: 4, limit: 10 }];
    await ledger.reserve('life', shares, 60_000);
    await ledger.settle('life', shares, []);
    const life = (key: string) => redis.command<number>(['PTTL', `sluice:{spend}:${key}`]);
    expect(await life('r:life')).toBeGreaterThan(500_000);
    expect(await life('2026-04-04')).toBeGreaterThan(35 * 86_400_000);
  });
});
