import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Queryable } from '@sluice/database';
import { encodeEvent } from '../persistence/usage.columns.js';
import { encodeFrames } from '../testing/frames.js';
import { UsageSpool } from '../spool/usage.spool.js';
import { anEvent } from '../testing/usage-events.js';
import type { UsageEvent } from '../usage-event.js';
import { UsageDatabase } from '../testing/usage-database.js';
import { UsageShipper, type UsageShipperOptions } from './usage.shipper.js';

let db: UsageDatabase;
let root: string;
let spool: UsageSpool;
let shipper: UsageShipper | undefined;

beforeAll(async () => {
  db = await UsageDatabase.start();
});
afterAll(() => db.stop());
beforeEach(async () => {
  await db.clear();
  root = await mkdtemp(join(tmpdir(), 'sluice-shipper-'));
  spool = new UsageSpool({ root, maxBytes: () => 1e9, onFault: (error) => faults.push(error) });
  await spool.open();
  faults.length = 0;
  rejected.length = 0;
  batches.length = 0;
  recovered.length = 0;
});
afterEach(async () => {
  await shipper?.close(2_000);
  await spool.close();
  await rm(root, { recursive: true, force: true });
});

const faults: unknown[] = [];
const rejected: unknown[] = [];
const batches: number[] = [];
const recovered: number[] = [];

function aShipper(options: Partial<UsageShipperOptions> = {}): UsageShipper {
  shipper = new UsageShipper({
    spool,
    db: db.database.writer,
    onShipped: (rows) => batches.push(rows),
    onRecovered: (rows) => recovered.push(rows),
    onFault: (error) => faults.push(error),
    onRejected: async (payload) => void rejected.push(payload),
    lingerMs: 20,
    ...options,
  });
  shipper.start();
  return shipper;
}
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}
const append = (count: number) =>
  Promise.all(Array.from({ length: count }, () => spool.append(encodeEvent(anEvent()))));
const stored = async () =>
  Number((await db.rows('SELECT count(*)::int AS n FROM token_usage'))[0]?.n);

describe('the shipper', () => {
  it('brings events into the database in batches of at most 500 and leaves the spool empty', async () => {
    await append(1201);
    aShipper();
    await until(() => spool.left === 0);
    expect(await stored()).toBe(1201);
    expect(batches.slice(0, 2)).toEqual([500, 500]);
  });

  it('waits for company, but not longer than it lingers', async () => {
    aShipper({ lingerMs: 50 });
    await append(1);
    await append(1);
    await until(() => spool.left === 0);
    expect(batches).toEqual([2]);
  });

  it('does not wait when a batch is full', async () => {
    aShipper({ lingerMs: 60_000 });
    await append(500);
    await until(() => spool.left === 0);
    expect(await stored()).toBe(500);
  });

  it('keeps events while the database is away and ships them when it is back', async () => {
    let away = true;
    const flaky: Queryable = {
      query: (text, values) =>
        away ? Promise.reject(new Error('ECONNREFUSED')) : db.database.writer.query(text, values),
    };
    aShipper({ db: flaky });
    await append(3);
    await until(() => faults.length >= 2);
    expect(spool.left).toBeGreaterThan(0);
    away = false;
    await until(() => spool.left === 0);
    expect(await stored()).toBe(3);
  });

  it('does not add twice what was committed when the answer got lost', async () => {
    let lost = 1;
    const forgetful: Queryable = {
      query: async (text, values) => {
        const result = await db.database.writer.query(text, values);
        if (lost-- > 0) throw new Error('connection reset');
        return result as never;
      },
    };
    aShipper({ db: forgetful });
    await append(10);
    await until(() => spool.left === 0);
    expect(await stored()).toBe(10);
    expect(await db.rows('SELECT sum(calls)::int AS n FROM usage_daily')).toEqual([{ n: 10 }]);
  });

  it('sets an event aside that the database refuses, and no other', async () => {
    const poison = encodeEvent(anEvent()).replace('"default"', 'null');
    await append(7);
    await spool.append(poison);
    await append(6);
    aShipper();
    await until(() => spool.left === 0);
    expect(await stored()).toBe(13);
    expect(rejected).toEqual([poison]);
  });

  it('bills a call of a killed process as noted, unless its event is known', async () => {
    const [ended, died] = [anEvent({ costMicroUsd: 7 }), anEvent({ costMicroUsd: 5 })];
    const note = (event: UsageEvent, costMicroUsd: number) =>
      encodeEvent({ ...event, outcome: 'interrupted', costMicroUsd });
    // As the killed process left them: both were noted, one ended; the other had come further when it was noted again.
    const left = join(root, 'closed-1');
    await mkdir(left);
    await writeFile(join(left, '00000001.seg'), encodeFrames([encodeEvent(ended)]));
    await writeFile(
      join(left, '00000001.open'),
      encodeFrames([note(ended, 6), note(died, 4), note(died, 5)]),
    );
    await spool.adopt();
    aShipper();
    await until(() => spool.left === 0);
    const billed =
      'SELECT request_id, outcome, cost_micro_usd::int AS cost FROM token_usage ORDER BY 2';
    const expected = [
      { request_id: ended.requestId, outcome: 'completed', cost: 7 },
      { request_id: died.requestId, outcome: 'interrupted', cost: 5 },
    ];
    expect(await db.rows(billed)).toEqual(expected);
    expect(recovered).toEqual([1]);
    expect(
      await db.rows('SELECT sum(calls)::int AS n, sum(failures)::int AS failed FROM usage_daily'),
    ).toEqual([{ n: 2, failed: 1 }]);
  });

  it('ships what is left before it closes, and says whether it could', async () => {
    const closing = aShipper({ lingerMs: 60_000 });
    await append(5);
    expect(await closing.close(5_000)).toBe(true);
    expect(await stored()).toBe(5);
    const dead = aShipper({ db: { query: () => Promise.reject(new Error('away')) } });
    await append(1);
    expect(await dead.close(150)).toBe(false);
    expect(spool.left).toBeGreaterThan(0);
  });
});
