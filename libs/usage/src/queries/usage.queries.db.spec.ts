import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ManualClock, GatewayError } from '@sluice/kernel';
import { anEvent, tokens } from '../testing/usage-events.js';
import { UsageDatabase } from '../testing/usage-database.js';
import { planTotals, planUsage } from './usage.plan.js';
import { UsageQueries } from './usage.queries.js';
import { checkQuestion, type Dimension, type UsageQuestion } from './usage.question.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const noon = Date.UTC(2026, 10, 20, 12);
const MODELS = ['large', 'small'];
const CALLERS = ['alice', 'bob', 'carol'];

let db: UsageDatabase;
let queries: UsageQueries;
let clock: ManualClock;

beforeAll(async () => {
  db = await UsageDatabase.start();
  clock = new ManualClock();
  queries = new UsageQueries(db.database.reports, clock);
  const events = Array.from({ length: 120 }, (_, n) =>
    anEvent({
      at: noon - (n % 5) * DAY - (n % 3) * HOUR,
      caller: CALLERS[n % 3]!,
      model: MODELS[n % 2]!,
      provider: n % 2 === 0 ? 'openai' : '',
      tier: n % 3 === 0 ? 'free' : 'paid',
      agent: n % 4 === 0 ? 'coder' : undefined,
      usage: tokens(10, n),
      costMicroUsd: n,
      saved: { cache: 1, routing: 2, coalescing: 3 },
      outcome: n % 10 === 0 ? 'failed' : 'completed',
      durationUs: 1_000_000,
    }),
  );
  await db.insert(
    ...events,
    anEvent({ tenant: 'other', at: noon, caller: 'alice', costMicroUsd: 1_000_000 }),
  );
  await db.rows('ANALYZE');
});
afterAll(() => db.stop());

const range = { from: new Date(noon - 10 * DAY), to: new Date(noon + HOUR) };
function ask(
  groupBy: string[],
  changes: Partial<UsageQuestion> = {},
  page: { limit: number; cursor?: string } = { limit: 100 },
) {
  return queries.report({ tenant: 'default', ...range, groupBy, ...changes }, page);
}
const DIMENSIONS: Dimension[] = ['model', 'provider', 'tier', 'caller', 'agent', 'day'];
const PAIRS = DIMENSIONS.flatMap((first, n) =>
  DIMENSIONS.slice(n + 1).map((second) => [first, second] as const),
);
const RAW: Partial<Record<Dimension, string>> = { day: `(at AT TIME ZONE 'UTC')::date::text` };

describe('usage by two groups', () => {
  it.each(PAIRS)('%s and %s equals what single events add up to', async (...pair) => {
    const report = await ask([...pair]);
    const expected = await db.rows(
      `SELECT ${pair.map((name, n) => `nullif(${RAW[name] ?? name}, '') AS g${n}`).join(', ')},
        count(*)::int AS calls, sum(cost_micro_usd)::int AS cost, sum(output_tokens)::int AS output
      FROM token_usage WHERE tenant = 'default' AND at >= $1 AND at < $2 GROUP BY 1, 2`,
      [range.from, range.to],
    );
    const rows = report.groups.map(({ key, sums }) => ({
      g0: key[pair[0]],
      g1: key[pair[1]],
      calls: sums.calls,
      cost: sums.costMicroUsd,
      output: sums.outputTokens,
    }));
    expect(rows).toHaveLength(expected.length);
    expect(rows).toEqual(expect.arrayContaining(expected));
    expect(report.totals.calls).toBe(120);
  });

  it('by hour gives percentiles of the latency from the histogram', async () => {
    const report = await ask(['hour', 'model']);
    expect(report.source).toBe('usage_hourly');
    expect(report.groups[0]?.key.hour).toMatch(/^2026-11-\d\dT\d\d:00:00Z$/);
    // One second lies in the bucket from 0.83 to 1.25 s.
    const { latency } = report.totals;
    expect(latency?.meanMs).toBe(1000);
    expect(latency?.p50Ms).toBeGreaterThan(800);
    expect(latency?.p99Ms).toBeLessThan(1300);
  });

  it('by hour and caller reads single events, without what the index lacks', async () => {
    const from = new Date(noon - 3 * HOUR);
    const report = await ask(['hour', 'caller'], { from });
    expect(report.source).toBe('token_usage');
    expect(report.groups[0]?.sums).toMatchObject({ failures: undefined, latency: undefined });
    expect(report.totals.calls).toBe(24);
    const ofAlice = await ask(['hour', 'agent'], { filters: { caller: 'alice' } });
    expect(ofAlice.totals.calls).toBe(40);
    expect(ofAlice.groups.some(({ key }) => key.agent === null)).toBe(true);
    const ofNone = await ask(['hour', 'agent'], { filters: { caller: 'alice', agent: '' } });
    expect(ofNone.totals.calls).toBe(30);
  });

  it('says what cache, routing and coalescing saved', async () => {
    const { totals } = await ask(['model']);
    expect(totals.savedMicroUsd).toEqual({ cache: 120, routing: 240, coalescing: 360 });
    expect(totals.failures).toBe(12);
  });

  it('can be filtered by what is not grouped', async () => {
    const report = await ask(['model'], {
      filters: { caller: 'alice', tier: 'free', agent: 'coder' },
    });
    expect(report.source).toBe('usage_daily_caller');
    expect(report.totals.calls).toBe(10);
  });

  it('is empty, not missing, for a range without calls', async () => {
    const report = await ask(['model'], {
      from: new Date(noon - 40 * DAY),
      to: new Date(noon - 30 * DAY),
    });
    expect(report).toMatchObject({
      groups: [],
      next: undefined,
      totals: { calls: 0, costMicroUsd: 0 },
    });
  });
});

describe('totals beside hours', () => {
  it.each([
    ['hours before, days, hours after', new Date(noon - 3 * DAY - 2 * HOUR), new Date(noon)],
    ['whole days', new Date(noon - 3 * DAY - 12 * HOUR), new Date(noon - 12 * HOUR)],
    ['hours of two days', new Date(noon - DAY), new Date(noon)],
    ['hours of one day', new Date(noon - 2 * HOUR), new Date(noon)],
  ])('add up the same from days and hours as from hours alone: %s', async (_, from, to) => {
    for (const filters of [{}, { model: 'large' }, { agent: 'coder' }]) {
      const report = await ask(['hour', 'tier'], { from, to, filters });
      const sum = (of: (sums: (typeof report)['totals']) => number) =>
        report.groups.reduce((total, { sums }) => total + of(sums), 0);
      expect(report.totals.calls).toBe(sum(({ calls }) => calls));
      expect(report.totals.costMicroUsd).toBe(sum(({ costMicroUsd }) => costMicroUsd));
      expect(report.totals.savedMicroUsd?.routing).toBe(2 * report.totals.calls);
      expect(report.totals.latency === undefined).toBe('agent' in filters);
    }
  });
});

describe('pages of groups', () => {
  it.each([[['caller', 'day']], [['agent', 'model']], [['hour', 'tier']], [['hour', 'caller']]])(
    'of %j give every group once, in order',
    async (groupBy) => {
      const from =
        groupBy.includes('caller') && groupBy.includes('hour')
          ? new Date(noon - 12 * HOUR)
          : range.from;
      const whole = await ask(groupBy, { from });
      const paged = [];
      let cursor: string | undefined;
      do {
        const page = await ask(
          groupBy,
          { from },
          cursor === undefined ? { limit: 2 } : { limit: 2, cursor },
        );
        expect(page.groups.length).toBeLessThanOrEqual(2);
        paged.push(...page.groups);
        cursor = page.next;
      } while (cursor !== undefined);
      expect(paged).toEqual(whole.groups);
      expect(whole.groups.length).toBeGreaterThan(2);
    },
  );

  it.each([
    ['nonsense', 'x'],
    ['no list', Buffer.from('{}').toString('base64url')],
    ['too few values', Buffer.from('["a"]').toString('base64url')],
    ['values of another kind', Buffer.from('[1,2]').toString('base64url')],
    ['a day that is none', Buffer.from(`["a","2026-13-45"]`).toString('base64url')],
    ['SQL', Buffer.from(`["a","2026-01-01'; DROP TABLE token_usage"]`).toString('base64url')],
  ])('refuse %s for a cursor', async (_, cursor) => {
    const refused = ask(['model', 'day'], {}, { limit: 1, cursor });
    await expect(refused).rejects.toMatchObject({ code: 'invalid_request', param: 'cursor' });
  });

  it.each([0, -1, 1.5, 1001, NaN])('refuse a limit of %d', async (limit) => {
    await expect(ask([], {}, { limit })).rejects.toBeInstanceOf(GatewayError);
  });
});

describe('tenants', () => {
  it('see only their own, also when they name another tenant’s caller', async () => {
    const other = await ask(['caller'], { tenant: 'other' });
    expect(other.groups).toHaveLength(1);
    expect(other.totals).toMatchObject({ calls: 1, costMicroUsd: 1_000_000 });
    const none = await ask(['caller'], { tenant: 'other', filters: { caller: 'bob' } });
    expect(none.totals.calls).toBe(0);
  });

  it('cannot be left by SQL in any parameter', async () => {
    const evil = `' OR '1'='1'; DROP TABLE token_usage; --`;
    for (const name of ['model', 'provider', 'tier', 'caller', 'agent'] as const) {
      const report = await ask(['model'], { filters: { [name]: evil } });
      expect(report.totals.calls).toBe(0);
    }
    expect((await ask(['model'], { tenant: evil })).totals.calls).toBe(0);
    expect(await db.rows('SELECT count(*)::int AS n FROM token_usage')).toEqual([{ n: 121 }]);
  });
});

describe('a caller’s own usage', () => {
  it('adds up by day and by model', async () => {
    const usage = await queries.ofCaller('default', 'bob', range);
    expect(usage.totals.calls).toBe(40);
    const sum = (groups: typeof usage.byDay) =>
      groups.reduce((total, { sums }) => total + sums.costMicroUsd, 0);
    expect(sum(usage.byDay)).toBe(usage.totals.costMicroUsd);
    expect(sum(usage.byModel)).toBe(usage.totals.costMicroUsd);
    expect(usage.byDay.map(({ key }) => key.day)).toEqual([
      '2026-11-16',
      '2026-11-17',
      '2026-11-18',
      '2026-11-19',
      '2026-11-20',
    ]);
  });

  it('is asked of the database once for many who look at once', async () => {
    clock.advance(120_000);
    let asked = 0;
    const counting = new UsageQueries(
      {
        query: (text, values) => {
          asked += 1;
          return db.database.reports.query(text, values);
        },
      },
      clock,
    );
    const looks = Array.from({ length: 20 }, () => counting.ofCaller('default', 'bob', range));
    await Promise.all(looks);
    expect(asked).toBe(3);
  });
});

describe('plans', () => {
  /** Enough rows that the planner has something to choose from. */
  beforeAll(async () => {
    await db.rows(`INSERT INTO usage_daily_caller SELECT 'default', date '2026-06-01' + d, 'c' || c, '', 'm' || d % 4, 'p', 't', 1, 0,0,0,0,1,1,0,0,0,1,0,0,0,1
      FROM generate_series(0, 149) d, generate_series(1, 300) c`);
    await db.rows(`INSERT INTO token_usage SELECT gen_random_uuid(), '2026-11-02'::timestamptz + n * interval '16 seconds', NULL, 1,0,0,0,1,NULL,1,1,1,0,0,0,1,200,1,false,false,
      'default', 'c' || n % 300, NULL, 't', NULL, NULL, 'r', 'd', 'm', 'm', 'p', 'completed', NULL, NULL, 'direct', NULL, NULL FROM generate_series(1, 100000) n`);
    await db.rows('VACUUM (ANALYZE) token_usage');
    await db.rows('VACUUM (ANALYZE) usage_daily_caller');
  }, 60_000);

  async function planOf(
    groupBy: string[],
    days: number,
    filters: UsageQuestion['filters'] = {},
  ): Promise<string> {
    const to = new Date(Date.UTC(2026, 10, 19));
    const question = checkQuestion({
      tenant: 'default',
      from: new Date(to.getTime() - days * DAY),
      to,
      groupBy,
      filters,
    });
    const { sql, values } = planUsage(question, { limit: 101 });
    const rows = await db.rows(`EXPLAIN (COSTS OFF) ${sql}`, values);
    return rows.map((row) => row['QUERY PLAN']).join('\n');
  }

  it('of a caller’s own page read the caller’s rows through their index', async () => {
    const plan = await planOf(['day'], 30, { caller: 'c7' });
    expect(plan).toContain('usage_daily_caller_caller');
    expect(plan).not.toContain('Seq Scan');
  });

  it('of callers read the days asked for and no others', async () => {
    const plan = await planOf(['caller'], 3);
    expect(plan).toContain('usage_daily_caller_pkey');
    expect(plan).not.toContain('Seq Scan');
  });

  it.each([[['model', 'day']], [['provider', 'tier']], [['tier']], [[]]])(
    'of %j touch only the daily rollup',
    async (groupBy) => {
      const plan = await planOf(groupBy, 30);
      expect(plan).toMatch(/usage_daily(_pkey)?\b/);
      expect(plan).not.toMatch(/token_usage|usage_daily_caller|usage_hourly/);
    },
  );

  it.each([[['hour', 'model']], [['hour', 'tier']]])(
    'of %j touch only the hourly rollup',
    async (groupBy) => {
      const plan = await planOf(groupBy, 7);
      expect(plan).toContain('usage_hourly');
      expect(plan).not.toMatch(/token_usage|usage_daily/);
    },
  );

  it('of totals beside hours read days from the daily rollup and hours only at the edges', () => {
    const to = new Date(Date.UTC(2026, 10, 19, 5));
    const range = { from: new Date(to.getTime() - 59 * DAY), to };
    const question = checkQuestion({ tenant: 'default', ...range, groupBy: ['hour', 'model'] });
    const { sql, values } = planTotals(question);
    expect(sql.match(/FROM usage_\w+/g)).toEqual([
      'FROM usage_hourly',
      'FROM usage_daily',
      'FROM usage_hourly',
    ]);
    const days = (values as (Date | string)[]).filter((value) => value instanceof Date);
    expect(days.map((day) => day.toISOString().slice(0, 13))).toEqual([
      ...['2026-09-21T05', '2026-09-22T00'],
      ...['2026-09-22T00', '2026-11-19T00'],
      ...['2026-11-19T00', '2026-11-19T05'],
    ]);
  });

  it('of one caller by hour never leave the index, and skip the weeks outside', async () => {
    const plan = await planOf(['hour', 'model'], 7, { caller: 'c7' });
    expect(plan).toMatch(/Index Only Scan using token_usage_\d{8}_tenant_caller_at/);
    expect(plan).not.toContain('Seq Scan');
    expect(plan).not.toContain('token_usage_20261102');
  });

  it('of all callers by hour find their day through an index', async () => {
    const plan = await planOf(['hour', 'caller'], 1);
    // Postgres 18 skips through the callers without leaving the index; before, the time index finds the pages.
    expect(plan).toMatch(
      /Index Only Scan using token_usage_\d{8}_tenant|Bitmap Index Scan on token_usage_\d{8}_at_idx/,
    );
    expect(plan).not.toContain('Seq Scan');
  });
});
