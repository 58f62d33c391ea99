import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Reconciliation } from '../jobs/reconciliation.js';
import { anEvent, tokens } from '../testing/usage-events.js';
import { UsageDatabase } from '../testing/usage-database.js';
import { correctionOf } from '../usage-event.builder.js';
import { USAGE_OUTCOMES, type UsageEvent } from '../usage-event.js';
import { columnsOf, HISTOGRAM_COLUMNS, ROLLUPS } from './rollups.js';
import { USAGE_COLUMNS } from './usage.columns.js';

let db: UsageDatabase;
beforeAll(async () => {
  db = await UsageDatabase.start();
});
afterAll(() => db.stop());
beforeEach(() => db.clear());

const day = Date.UTC(2026, 10, 20);
const arbitraryEvent: fc.Arbitrary<UsageEvent> = fc
  .record({
    at: fc.integer({ min: day - 90_000_000, max: day + 90_000_000 }),
    caller: fc.constantFrom('alice', 'bob', '"{,}\\', `'; DROP TABLE token_usage; --`, 'NULL'),
    tier: fc.constantFrom('free', 'paid'),
    agent: fc.option(fc.string({ unit: 'binary', maxLength: 10 }), { nil: undefined }),
    model: fc.constantFrom('small', 'large'),
    outcome: fc.constantFrom(...USAGE_OUTCOMES),
    costMicroUsd: fc.nat(),
    durationUs: fc.nat({ max: 200_000_000 }),
    usage: fc
      .tuple(fc.nat({ max: 1e6 }), fc.nat({ max: 1e6 }))
      .map(([input, output]) => tokens(input, output)),
  })
  .map((changes) => anEvent(changes));

describe('the insert of a batch', () => {
  it('adds every event once, whatever the batches, their order and their repetition, and rollups equal the sums', async () => {
    const batches = fc.array(fc.array(arbitraryEvent, { minLength: 1, maxLength: 20 }), {
      maxLength: 4,
    });
    await fc.assert(
      fc.asyncProperty(batches, fc.array(fc.nat(), { maxLength: 4 }), async (written, again) => {
        await db.clear();
        const replays = again.map((n) => written[n % Math.max(1, written.length)] ?? []);
        const shipped = [...written, ...replays].filter((batch) => batch.length > 0);
        await Promise.all(shipped.map((batch) => db.insert(...batch)));
        const all = written.flat();
        const [raw] = await db.rows(
          'SELECT count(*)::int AS n, coalesce(sum(cost_micro_usd), 0)::float8 AS cost FROM token_usage',
        );
        expect(raw).toEqual({
          n: all.length,
          cost: all.reduce((sum, event) => sum + event.costMicroUsd, 0),
        });
        const reconciliation = new Reconciliation(db.database.writer);
        for (const offset of [-2, -1, 0, 1]) {
          expect(await reconciliation.compare(new Date(day + offset * 86_400_000))).toEqual([]);
        }
      }),
      { numRuns: 25 },
    );
  });

  it('tells how many events were new', async () => {
    const [a, b] = [anEvent(), anEvent()];
    expect(await db.insert(a, b)).toBe(2);
    expect(await db.insert(a, anEvent(), b)).toBe(1);
  });

  it('stores each field under its own name', async () => {
    const event = anEvent({
      at: Date.UTC(2026, 10, 20, 1, 2, 3, 456),
      agent: 'coder',
      session: 's-1',
      usage: { input: 5, output: 4, cachedInput: 3, cacheWrite: 2, reasoning: 1, estimated: true },
      saved: { cache: 11, routing: 12, coalescing: 13 },
      experiment: 'e',
      experimentArm: 'a',
      errorCode: 'internal',
      corrects: anEvent().requestId,
    });
    await db.insert(event);
    const [row] = await db.rows('SELECT * FROM token_usage');
    expect(row).toEqual({
      request_id: event.requestId,
      at: new Date(event.at),
      tenant: 'default',
      caller: 'alice',
      key_id: 'key-1',
      tier: 'paid',
      agent: 'coder',
      session: 's-1',
      route: '/v1/chat/completions',
      dialect: 'openai-chat',
      requested_model: 'auto',
      model: 'gpt-4o-mini',
      provider: 'openai',
      status: 200,
      outcome: 'completed',
      error_code: 'internal',
      cache: 'miss',
      stream: false,
      input_tokens: 5,
      output_tokens: 4,
      cached_input_tokens: 3,
      cache_write_tokens: 2,
      reasoning_tokens: 1,
      estimated: true,
      cost_micro_usd: '27',
      saved_cache_micro_usd: '11',
      saved_routing_micro_usd: '12',
      saved_coalescing_micro_usd: '13',
      duration_us: '120000',
      ttft_us: '80000',
      overhead_us: '400',
      attempts: 1,
      path: 'direct',
      experiment: 'e',
      experiment_arm: 'a',
      config_version: 1,
      corrects: event.corrects,
    });
  });

  it('stores what a caller may name as far as Postgres takes it', async () => {
    const agent = `tab\t "quotes" back\\slash \\u0041 \u{1f600}`;
    await db.insert(
      anEvent({ agent }),
      anEvent({ agent: 'n\0ul' }),
      anEvent({ agent: 'half \ud83d' }),
      anEvent({ agent: 'x'.repeat(300) }),
    );
    const rows = await db.rows('SELECT agent FROM token_usage');
    const names = ['half \ufffd', 'nul', agent, 'x'.repeat(256)];
    expect(rows.map((row) => row.agent).sort()).toEqual(names.sort());
  });

  it('lets a correction change amounts and not the number of calls', async () => {
    const event = anEvent({ costMicroUsd: 100 });
    await db.insert(event, correctionOf(event, { costMicroUsd: -40 }, event.at + 1));
    const [sums] = await db.rows(
      'SELECT sum(calls)::int AS calls, sum(cost_micro_usd)::int AS cost FROM usage_daily',
    );
    expect(sums).toEqual({ calls: 1, cost: 60 });
  });

  it('counts durations in the histogram, and none twice', async () => {
    await db.insert(
      ...[0, 249, 250, 1_000_000, 10 ** 9].map((durationUs) => anEvent({ durationUs })),
    );
    const [row] = await db.rows('SELECT * FROM usage_hourly');
    const filled = HISTOGRAM_COLUMNS.filter((name) => row?.[name] !== 0);
    expect(filled[0]).toBe('h00');
    expect(row?.h00).toBe(2);
    expect(filled.at(-1)).toBe('h32');
    expect(filled.reduce((sum, name) => sum + Number(row?.[name]), 0)).toBe(5);
  });

  it('does not deadlock when many writers hit the same keys in different orders', async () => {
    const events = Array.from({ length: 400 }, (_, n) =>
      anEvent({ caller: `c${n % 7}`, model: `m${n % 5}` }),
    );
    const batches = Array.from({ length: 8 }, (_, n) =>
      (n % 2 ? events : events.toReversed()).slice(n * 10),
    );
    await Promise.all(batches.map((batch) => db.insert(...batch)));
    expect(await db.rows('SELECT sum(calls)::int AS calls FROM usage_daily_caller')).toEqual([
      { calls: 400 },
    ]);
  });

  it('keeps an event whose time no partition was made for', async () => {
    await db.insert(anEvent({ at: Date.UTC(2031, 0, 1) }));
    expect(await db.rows('SELECT count(*)::int AS n FROM token_usage_default')).toEqual([{ n: 1 }]);
  });
});

describe('the catalogues of columns', () => {
  it('name exactly the columns of the tables', async () => {
    const columns = async (table: string) => {
      const rows = await db.rows(
        'SELECT attname AS name FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0',
        [table],
      );
      return rows.map((row) => String(row.name)).sort();
    };
    expect(await columns('token_usage')).toEqual(USAGE_COLUMNS.map(({ name }) => name).sort());
    for (const rollup of ROLLUPS)
      expect(await columns(rollup.table)).toEqual(columnsOf(rollup).sort());
  });
});
