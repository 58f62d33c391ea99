/** Sums that every rollup keeps, each with the expression over `token_usage` rows that it adds up. */
export interface Measure {
  readonly name: string;
  readonly sum: string;
}

/** A correction changes amounts, not the number of calls. */
const IS_CALL = 'corrects IS NULL';

export const MEASURES: readonly Measure[] = [
  { name: 'calls', sum: `count(*) FILTER (WHERE ${IS_CALL})` },
  {
    name: 'failures',
    sum: `count(*) FILTER (WHERE outcome IN ('failed', 'refused', 'interrupted') AND ${IS_CALL})`,
  },
  { name: 'hits', sum: `count(*) FILTER (WHERE outcome = 'hit' AND ${IS_CALL})` },
  { name: 'coalesced', sum: `count(*) FILTER (WHERE outcome = 'coalesced' AND ${IS_CALL})` },
  { name: 'estimated', sum: `count(*) FILTER (WHERE estimated AND ${IS_CALL})` },
  { name: 'input_tokens', sum: 'sum(input_tokens)::int8' },
  { name: 'output_tokens', sum: 'sum(output_tokens)::int8' },
  { name: 'cached_input_tokens', sum: 'sum(cached_input_tokens)::int8' },
  { name: 'cache_write_tokens', sum: 'sum(cache_write_tokens)::int8' },
  { name: 'reasoning_tokens', sum: 'sum(reasoning_tokens)::int8' },
  { name: 'cost_micro_usd', sum: 'sum(cost_micro_usd)::int8' },
  { name: 'saved_cache_micro_usd', sum: 'sum(saved_cache_micro_usd)::int8' },
  { name: 'saved_routing_micro_usd', sum: 'sum(saved_routing_micro_usd)::int8' },
  { name: 'saved_coalescing_micro_usd', sum: 'sum(saved_coalescing_micro_usd)::int8' },
  { name: 'duration_us', sum: `coalesce(sum(duration_us) FILTER (WHERE ${IS_CALL}), 0)::int8` },
];

/** 32 bounds, each 1.5 times the one before: 0.25 ms to 72 s; what is slower falls into the last bucket. */
export const HISTOGRAM_BOUNDS_US: readonly number[] = Array.from({ length: 32 }, (_, step) =>
  Math.round(250 * 1.5 ** step),
);

/** `h00` counts calls under the first bound, `h32` those over the last. */
export const HISTOGRAM_COLUMNS: readonly string[] = Array.from(
  { length: HISTOGRAM_BOUNDS_US.length + 1 },
  (_, bucket) => `h${String(bucket).padStart(2, '0')}`,
);

const BUCKET = `width_bucket(duration_us, '{${HISTOGRAM_BOUNDS_US.join(',')}}'::int8[])`;

const HISTOGRAM: readonly Measure[] = HISTOGRAM_COLUMNS.map((name, bucket) => ({
  name,
  sum: `count(*) FILTER (WHERE bucket = ${bucket} AND ${IS_CALL})`,
}));

/** Name of a key column and the expression over `token_usage` rows that gives it. */
export interface KeyColumn {
  readonly name: string;
  readonly from: string;
}

export interface Rollup {
  readonly table: string;
  readonly key: readonly KeyColumn[];
  /** Index in {@link key} of the column that carries the time. */
  readonly grain: 'hour' | 'day';
  readonly measures: readonly Measure[];
  readonly histogram: boolean;
}

const TENANT = { name: 'tenant', from: 'tenant' };
const HOUR = { name: 'hour', from: `date_trunc('hour', at, 'UTC')` };
const DAY = { name: 'day', from: `(at AT TIME ZONE 'UTC')::date` };
const MODEL = { name: 'model', from: 'model' };
const PROVIDER = { name: 'provider', from: 'provider' };
const TIER = { name: 'tier', from: 'tier' };
const CALLER = { name: 'caller', from: 'caller' };
/** No agent is the empty string here: a key column cannot be null. */
const AGENT = { name: 'agent', from: `coalesce(agent, '')` };

export const HOURLY: Rollup = {
  table: 'usage_hourly',
  key: [TENANT, HOUR, MODEL, PROVIDER, TIER],
  grain: 'hour',
  measures: [...MEASURES, ...HISTOGRAM],
  histogram: true,
};
export const DAILY: Rollup = {
  table: 'usage_daily',
  key: [TENANT, DAY, MODEL, PROVIDER, TIER],
  grain: 'day',
  measures: [...MEASURES, ...HISTOGRAM],
  histogram: true,
};
export const HOURLY_BY_AGENT: Rollup = {
  table: 'usage_hourly_agent',
  key: [TENANT, HOUR, AGENT, MODEL, PROVIDER, TIER],
  grain: 'hour',
  measures: MEASURES,
  histogram: false,
};
export const DAILY_BY_AGENT: Rollup = {
  table: 'usage_daily_agent',
  key: [TENANT, DAY, AGENT, MODEL, PROVIDER, TIER],
  grain: 'day',
  measures: MEASURES,
  histogram: false,
};
/** Tier and provider follow from caller and model but for rare changes: they add columns, hardly rows. */
export const DAILY_BY_CALLER: Rollup = {
  table: 'usage_daily_caller',
  key: [TENANT, DAY, CALLER, AGENT, MODEL, PROVIDER, TIER],
  grain: 'day',
  measures: MEASURES,
  histogram: false,
};

export const ROLLUPS: readonly Rollup[] = [
  HOURLY,
  HOURLY_BY_AGENT,
  DAILY,
  DAILY_BY_AGENT,
  DAILY_BY_CALLER,
];

/** Columns of `token_usage` that the rollups are computed from. */
export const ROLLUP_INPUT: readonly string[] = [
  'at',
  'tenant',
  'caller',
  'tier',
  'agent',
  'model',
  'provider',
  'outcome',
  'corrects',
  'estimated',
  'input_tokens',
  'output_tokens',
  'cached_input_tokens',
  'cache_write_tokens',
  'reasoning_tokens',
  'cost_micro_usd',
  'saved_cache_micro_usd',
  'saved_routing_micro_usd',
  'saved_coalescing_micro_usd',
  'duration_us',
];

/**
 * The rollup's rows as they follow from `source`, a table expression with {@link ROLLUP_INPUT} as columns,
 * ordered by key, so that two writers lock rows in the same order.
 */
export function rollupSelect(rollup: Rollup, source: string): string {
  const columns = [
    ...rollup.key.map(({ name, from }) => `${from} AS ${name}`),
    ...rollup.measures.map(({ name, sum }) => `${sum} AS ${name}`),
  ];
  const rows = rollup.histogram
    ? `(SELECT *, ${BUCKET} AS bucket FROM ${source}) AS bucketed`
    : `(SELECT * FROM ${source}) AS plain`;
  const positions = rollup.key.map((_, index) => index + 1).join(', ');
  return `SELECT ${columns.join(', ')} FROM ${rows} GROUP BY ${positions} ORDER BY ${positions}`;
}

/** Adds `rows` (a SELECT with the rollup's columns) to the rollup. */
export function rollupUpsert(rollup: Rollup, rows: string): string {
  const names = columnsOf(rollup).join(', ');
  const key = rollup.key.map(({ name }) => name).join(', ');
  const sums = rollup.measures
    .map(({ name }) => `${name} = r.${name} + excluded.${name}`)
    .join(', ');
  return `INSERT INTO ${rollup.table} AS r (${names}) ${rows} ON CONFLICT (${key}) DO UPDATE SET ${sums}`;
}

export function columnsOf(rollup: Rollup): string[] {
  return [...rollup.key.map(({ name }) => name), ...rollup.measures.map(({ name }) => name)];
}
