import { HISTOGRAM_COLUMNS, MEASURES } from '../persistence/rollups.js';
import { checkRange, FILTERS, type CheckedQuestion, type Dimension } from './usage.question.js';

export type UsageSource =
  | 'usage_daily'
  | 'usage_hourly'
  | 'usage_daily_agent'
  | 'usage_hourly_agent'
  | 'usage_daily_caller'
  | 'token_usage';

export interface UsagePlan {
  readonly source: UsageSource;
  /** The range that is really answered: widened to whole days or hours. */
  readonly from: Date;
  readonly to: Date;
  /** In the order of {@link pageOrder}. */
  readonly groupBy: readonly Dimension[];
  readonly sql: string;
  readonly values: readonly unknown[];
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** No rollup has callers by hour: single events are read, so the range is short. */
const EVENT_DAYS = 1;
/** One caller's events are a narrow range of an index. */
const EVENT_DAYS_OF_CALLER = 31;

/**
 * Chooses what answers the question: the daily rollup by model, provider and tier; the hourly one when hours are
 * asked for; those by agent or by caller when these are; single events only for callers by hour.
 * @param page.after values of the groups of the last row seen, to continue behind it
 */
export function planUsage(
  question: CheckedQuestion,
  page: { readonly limit: number; readonly after?: readonly string[] },
): UsagePlan {
  const source = sourceOf(question);
  const range = widened(question, source);
  const values: unknown[] = [];
  const bind = (value: unknown) => `$${values.push(value)}`;
  const where = conditions(question, { source, ...range }, bind);
  const groupBy = pageOrder(question.groupBy);
  const groups = groupBy.map((dimension) => groupOf(dimension, source));
  if (page.after !== undefined && groups.length > 0) {
    const last = page.after.map((value, index) => `${bind(value)}${groups[index]?.type ?? ''}`);
    where.push(`(${groups.map(({ expression }) => expression).join(', ')}) > (${last.join(', ')})`);
  }
  const columns = [
    ...groups.map(({ expression, shown }, index) => `${shown(expression)} AS g${index}`),
    ...measuresOf(source),
  ];
  const order = groups.map(({ expression }) => expression).join(', ');
  const sql = [
    `SELECT ${columns.join(', ')} FROM ${source}`,
    `WHERE ${where.join(' AND ')}`,
    groups.length > 0 ? `GROUP BY ${order} ORDER BY ${order} LIMIT ${bind(page.limit)}` : '',
  ].join(' ');
  return { source, ...range, groupBy, sql: sql.trimEnd(), values };
}

/**
 * The sums over the whole range of a question: groups change the page, not the total. Beside hours, whole days come from
 * the daily rollup, which has a 24th of the rows, and only the hours before and after them from the hourly one.
 */
export function planTotals(question: CheckedQuestion): UsagePlan {
  const byHour: readonly Dimension[] = question.groupBy.includes('hour') ? ['hour'] : [];
  const source = sourceOf({ ...question, groupBy: byHour });
  const range = widened(question, source);
  const values: unknown[] = [];
  const bind = (value: unknown) => `$${values.push(value)}`;
  const select = (part: Part, columns: readonly string[]) =>
    `SELECT ${columns.join(', ')} FROM ${part.source} WHERE ${conditions(question, part, bind).join(' AND ')}`;
  const parts = partsOf(source, range);
  const [only] = parts;
  const sql =
    parts.length === 1 && only !== undefined
      ? select(only, measuresOf(source))
      : `SELECT ${measuresOf(source).join(', ')} FROM (${parts.map((part) => select(part, columnsIn(source))).join(' UNION ALL ')}) AS parts`;
  return { source, ...range, groupBy: [], sql, values };
}

interface Range {
  readonly from: Date;
  readonly to: Date;
}

interface Part extends Range {
  readonly source: UsageSource;
}

const DAILY_OF: Readonly<Partial<Record<UsageSource, UsageSource>>> = {
  usage_hourly: 'usage_daily',
  usage_hourly_agent: 'usage_daily_agent',
};

/** Where the sums of a range stand: the days it holds whole, and the hours before and after them. */
function partsOf(source: UsageSource, { from, to }: Range): readonly Part[] {
  const daily = DAILY_OF[source];
  const first = new Date(Math.ceil(from.getTime() / DAY_MS) * DAY_MS);
  const end = new Date(Math.floor(to.getTime() / DAY_MS) * DAY_MS);
  if (daily === undefined || first >= end) return [{ source, from, to }];
  const parts = [
    { source, from, to: first },
    { source: daily, from: first, to: end },
    { source, from: end, to },
  ];
  return parts.filter((part) => part.from < part.to);
}

/** The range that is really answered: whole days or hours. */
function widened(question: Range, source: UsageSource): Range {
  const grain = TIME_COLUMN[source] === 'day' ? DAY_MS : HOUR_MS;
  return {
    from: new Date(Math.floor(question.from.getTime() / grain) * grain),
    to: new Date(Math.ceil(question.to.getTime() / grain) * grain),
  };
}

function conditions(
  { tenant, filters }: CheckedQuestion,
  { source, from, to }: Part,
  bind: (value: unknown) => string,
): string[] {
  const time = TIME_COLUMN[source];
  const moment = (at: Date) =>
    time === 'day' ? `(${bind(at)}::timestamptz AT TIME ZONE 'UTC')::date` : bind(at);
  const where = [
    `tenant = ${bind(tenant)}`,
    `${time} >= ${moment(from)}`,
    `${time} < ${moment(to)}`,
  ];
  for (const name of FILTERS) {
    const wanted = filters?.[name];
    if (wanted !== undefined) where.push(`${groupOf(name, source).expression} = ${bind(wanted)}`);
  }
  return where;
}

/**
 * The order in which groups are paged: callers before anything else, because an index has them in order, so that a
 * page of callers reads no further than its end.
 */
export function pageOrder(groupBy: readonly Dimension[]): readonly Dimension[] {
  return groupBy.toSorted((a, b) => Number(b === 'caller') - Number(a === 'caller'));
}

const TIME_COLUMN: Readonly<Record<UsageSource, string>> = {
  usage_daily: 'day',
  usage_daily_agent: 'day',
  usage_daily_caller: 'day',
  usage_hourly: 'hour',
  usage_hourly_agent: 'hour',
  token_usage: 'at',
};

function sourceOf(question: CheckedQuestion): UsageSource {
  const { groupBy, filters } = question;
  const byHour = groupBy.includes('hour');
  const names = (dimension: 'caller' | 'agent') =>
    groupBy.includes(dimension) || filters?.[dimension] !== undefined;
  if (!byHour) {
    if (names('caller')) return 'usage_daily_caller';
    return names('agent') ? 'usage_daily_agent' : 'usage_daily';
  }
  if (!names('caller')) return names('agent') ? 'usage_hourly_agent' : 'usage_hourly';
  if (filters?.caller !== undefined)
    checkRange(question, EVENT_DAYS_OF_CALLER, ' by hour of one caller');
  else checkRange(question, EVENT_DAYS, ' by hour of callers (name one for 31 days)');
  return 'token_usage';
}

interface Group {
  readonly expression: string;
  readonly type: string;
  readonly shown: (expression: string) => string;
}

const AS_IS = (expression: string) => expression;
const AS_HOUR = (expression: string) =>
  `to_char(${expression} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`;

function groupOf(dimension: Dimension, source: UsageSource): Group {
  const time = TIME_COLUMN[source];
  if (dimension === 'hour') {
    const expression = source === 'token_usage' ? `date_trunc('hour', at, 'UTC')` : time;
    return { expression, type: '::timestamptz', shown: AS_HOUR };
  }
  if (dimension === 'day') {
    const expression = time === 'day' ? time : `(${time} AT TIME ZONE 'UTC')::date`;
    return { expression, type: '::date', shown: (day) => `${day}::text` };
  }
  if (dimension === 'agent' && source === 'token_usage') {
    return { expression: `coalesce(agent, '')`, type: '', shown: AS_IS };
  }
  return { expression: dimension, type: '', shown: AS_IS };
}

/** Sums that single events give without leaving the index on (tenant, caller, at). */
const EVENT_MEASURES: readonly string[] = MEASURES.filter(({ name }) =>
  ['calls', 'input_tokens', 'output_tokens', 'cost_micro_usd'].includes(name),
).map(({ name, sum }) => `${sum} AS ${name}`);
const ROLLUP_MEASURES: readonly string[] = MEASURES.map(
  ({ name }) => `sum(${name})::int8 AS ${name}`,
);
const HISTOGRAM_MEASURE = `ARRAY[${HISTOGRAM_COLUMNS.map((name) => `coalesce(sum(${name}), 0)`).join(', ')}]::float8[] AS histogram`;

/** The columns that {@link measuresOf} adds up. */
function columnsIn(source: UsageSource): readonly string[] {
  const names = MEASURES.map(({ name }) => name);
  return hasHistogram(source) ? [...names, ...HISTOGRAM_COLUMNS] : names;
}

function measuresOf(source: UsageSource): readonly string[] {
  if (source === 'token_usage') return EVENT_MEASURES;
  return hasHistogram(source) ? [...ROLLUP_MEASURES, HISTOGRAM_MEASURE] : ROLLUP_MEASURES;
}

function hasHistogram(source: UsageSource): boolean {
  return source === 'usage_daily' || source === 'usage_hourly';
}
