import { describe, expect, it } from '@jest/globals';
import type { Queryable } from '@sluice/database';
import { ManualClock } from '@sluice/kernel';
import { SilentLogger } from '@sluice/observability';
import { planShape, SlowQueryLog } from './slow-query.log.js';

const PLAN = [
  {
    Plan: {
      'Node Type': 'Aggregate',
      Plans: [
        {
          'Node Type': 'Index Scan',
          'Relation Name': 'usage_daily',
          'Index Name': 'usage_daily_pkey',
          'Index Cond': `(tenant = 'acme-secret'::text)`,
        },
      ],
    },
  },
];

class Lines extends SilentLogger {
  readonly lines: Record<string, unknown>[] = [];
  override warn(fields?: object, message?: string): void {
    this.lines.push({ ...fields, message });
  }
}

function setUp(durations: number[]) {
  const clock = new ManualClock();
  const logger = new Lines();
  const explained: string[] = [];
  const db: Queryable = {
    query: async (text) => {
      const plan = text.startsWith('EXPLAIN');
      if (plan) explained.push(text);
      else clock.advance(durations.shift() ?? 0);
      return { rows: plan ? [{ 'QUERY PLAN': PLAN }] : [{ a: 1 }], rowCount: 1 } as never;
    },
  };
  return { slow: new SlowQueryLog(db, logger, clock), logger, clock, explained };
}
const turn = () => new Promise(setImmediate);

describe('the slow-query log', () => {
  it('names statement and plan by fingerprints and shows no value', async () => {
    const { slow, logger } = setUp([101]);
    await slow.query('SELECT 1 WHERE $1 = tenant', ['acme-secret']);
    await turn();
    expect(logger.lines).toEqual([
      {
        query: expect.stringMatching(/^[0-9a-f]{12}$/),
        plan: expect.stringMatching(/^[0-9a-f]{12}$/),
        durationMs: 101,
        rows: 1,
        statement: 'SELECT 1 WHERE $1 = tenant',
        message: 'slow query',
      },
    ]);
    expect(JSON.stringify(logger.lines)).not.toContain('secret');
  });

  it('is silent about quick ones', async () => {
    const { slow, logger } = setUp([100]);
    await slow.query('SELECT 1');
    await turn();
    expect(logger.lines).toEqual([]);
  });

  it('asks for the plan of a statement once a minute', async () => {
    const { slow, logger, clock, explained } = setUp([200, 200, 200]);
    await slow.query('SELECT 1');
    await turn();
    await slow.query('SELECT 1');
    await turn();
    expect([logger.lines.length, explained.length]).toEqual([2, 1]);
    clock.advance(60_000);
    await slow.query('SELECT 1');
    await turn();
    expect(explained).toHaveLength(2);
  });

  it('knows a plan by its nodes, relations and indexes', () => {
    expect(planShape(PLAN)).toBe('Aggregate(Index Scan:usage_daily:usage_daily_pkey)');
  });
});
