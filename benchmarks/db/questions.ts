import { planTotals, planUsage } from '../../libs/usage/src/queries/usage.plan.js';
import {
  checkQuestion,
  type CheckedQuestion,
  type Dimension,
  type UsageQuestion,
} from '../../libs/usage/src/queries/usage.question.js';
import { MEASURES } from '../../libs/usage/src/persistence/rollups.js';

const DAY_MS = 86_400_000;

export interface Statement {
  readonly sql: string;
  readonly values: readonly unknown[];
}

export interface ProductQuery {
  readonly name: string;
  /** What the product runs. */
  readonly ours: Statement;
  readonly source: string;
  /** The same question over single events, for the comparison. */
  readonly raw: Statement;
}

const EXPRESSION: Readonly<Partial<Record<Dimension, string>>> = {
  day: `(at AT TIME ZONE 'UTC')::date`,
  hour: `date_trunc('hour', at, 'UTC')`,
  agent: `coalesce(agent, '')`,
};

function query(
  name: string,
  days: number,
  groupBy: Dimension[],
  filters: UsageQuestion['filters'] = {},
  planned = (asked: CheckedQuestion) => planUsage(asked, { limit: 101 }),
): ProductQuery {
  const to = new Date();
  const question = checkQuestion({
    tenant: 'default',
    from: new Date(to.getTime() - days * DAY_MS),
    to,
    groupBy,
    filters,
  });
  const plan = planned(question);
  const groups = plan.groupBy.map((dimension) => EXPRESSION[dimension] ?? dimension);
  const conditions = Object.keys(filters).map((name, n) => `AND ${name} = $${n + 4}`);
  const list = groups.join(', ');
  const sums = MEASURES.map(({ name: column, sum }) => `${sum} AS ${column}`).join(', ');
  return {
    name,
    source: plan.source,
    ours: { sql: plan.sql, values: plan.values },
    raw: {
      sql: [
        `SELECT ${[...groups, sums].join(', ')} FROM token_usage`,
        `WHERE tenant = $1 AND at >= $2 AND at < $3 ${conditions.join(' ')}`,
        groups.length > 0 ? `GROUP BY ${list} ORDER BY ${list} LIMIT 101` : '',
      ].join(' '),
      values: ['default', plan.from, plan.to, ...Object.values(filters)],
    },
  };
}

/** Every kind of question that the product asks of usage. */
export const PRODUCT_QUERIES: readonly ProductQuery[] = [
  query('own usage, 30 days by day', 30, ['day'], { caller: 'user-7' }),
  query('own usage, 30 days by model', 30, ['model'], { caller: 'user-7' }),
  query('model × day, 30 days', 29, ['model', 'day']),
  query('provider × tier, all 60 days, percentiles', 59, ['provider', 'tier']),
  query('hour × model, 7 days, percentiles', 7, ['hour', 'model']),
  query('hour × tier, 60 days, percentiles', 59, ['hour', 'tier']),
  query('caller, 30 days, first page', 29, ['caller']),
  query('caller × model, 30 days, first page', 29, ['caller', 'model']),
  query('agent × day, 30 days', 29, ['agent', 'day']),
  query('agent × caller, 30 days, first page', 29, ['agent', 'caller']),
  query('totals beside hours, 60 days', 59, ['hour'], {}, planTotals),
  query('totals beside days, 60 days', 59, [], {}, planTotals),
  query('hour × model of one caller, 7 days', 7, ['hour', 'model'], { caller: 'user-7' }),
  query('hour × caller, 24 hours, first page', 0.99, ['hour', 'caller']),
  query('hour × agent, 24 hours, first page', 0.99, ['hour', 'agent']),
  query('hour × agent, 7 days, first page', 7, ['hour', 'agent']),
];
