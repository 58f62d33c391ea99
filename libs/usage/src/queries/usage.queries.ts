import type { Clock, MicroUsd } from '@sluice/kernel';
import type { Queryable } from '@sluice/database';
import { FreshCache } from './fresh.cache.js';
import { percentileUs } from './percentile.js';
import {
  pageOrder,
  planTotals,
  planUsage,
  type UsagePlan,
  type UsageSource,
} from './usage.plan.js';
import { checkQuestion, invalid, type Dimension, type UsageQuestion } from './usage.question.js';

/** Milliseconds. Undefined where no call was measured. */
export interface Latency {
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
}

/** Sums over calls. What the source does not keep is undefined: see {@link UsageReport.source}. */
export interface UsageSums {
  readonly calls: number;
  readonly failures: number | undefined;
  readonly hits: number | undefined;
  readonly coalesced: number | undefined;
  /** Calls whose token numbers are our own count and not the provider's. */
  readonly estimated: number | undefined;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cachedInputTokens: number | undefined;
  readonly cacheWriteTokens: number | undefined;
  readonly reasoningTokens: number | undefined;
  readonly costMicroUsd: MicroUsd;
  readonly savedMicroUsd:
    | { readonly cache: MicroUsd; readonly routing: MicroUsd; readonly coalescing: MicroUsd }
    | undefined;
  readonly latency: Latency | undefined;
}

export interface UsageGroup {
  /** Value of each group; null where the calls named none (an agent, a provider). */
  readonly key: Readonly<Partial<Record<Dimension, string | null>>>;
  readonly sums: UsageSums;
}

export interface UsageReport {
  /** The range that was answered: whole hours when grouped by hour, else whole UTC days. */
  readonly from: Date;
  readonly to: Date;
  readonly source: UsageSource;
  readonly groups: readonly UsageGroup[];
  /** Over the whole range, not only this page. */
  readonly totals: UsageSums;
  /** To be given back for the next page; undefined on the last. */
  readonly next: string | undefined;
}

export interface PageRequest {
  /** 1 to 1000 groups. */
  readonly limit: number;
  readonly cursor?: string | undefined;
}

const FRESH = { freshMs: 5_000, staleMs: 60_000, maxEntries: 500 };
const MOST_GROUPS_A_PAGE = 1000;

/** Answers about usage, from the rollups. Results may be five seconds old. */
export class UsageQueries {
  readonly #cache: FreshCache;

  constructor(
    private readonly db: Queryable,
    clock: Clock,
  ) {
    this.#cache = new FreshCache(clock, FRESH);
  }

  /**
   * Usage of a tenant, grouped, in the order of the groups; callers come first.
   * @throws GatewayError invalid_request naming the parameter: from, to, group_by, limit or cursor
   */
  async report(question: UsageQuestion, page: PageRequest): Promise<UsageReport> {
    const checked = checkQuestion(question);
    if (!Number.isInteger(page.limit) || page.limit < 1 || page.limit > MOST_GROUPS_A_PAGE) {
      throw invalid('limit', `Expected a whole number from 1 to ${MOST_GROUPS_A_PAGE}.`);
    }
    const order = pageOrder(checked.groupBy);
    const after = page.cursor === undefined ? undefined : readCursor(page.cursor, order);
    // One more than asked for tells whether there is a next page.
    const limit = page.limit + 1;
    const plan = planUsage(checked, after === undefined ? { limit } : { limit, after });
    const [groups, [total]] = await Promise.all([
      checked.groupBy.length === 0 ? Promise.resolve([]) : this.#groups(plan),
      this.#groups(planTotals(checked)),
    ]);
    const shown = groups.slice(0, page.limit);
    const last = groups.length > page.limit ? shown.at(-1) : undefined;
    return {
      from: plan.from,
      to: plan.to,
      source: plan.source,
      groups: shown,
      totals: total?.sums ?? NOTHING,
      next: last && writeCursor(last, order),
    };
  }

  /** A caller's own usage, in all and by day and by model. @throws GatewayError invalid_request */
  async ofCaller(
    tenant: string,
    caller: string,
    range: { readonly from: Date; readonly to: Date },
  ): Promise<CallerUsage> {
    const question = { tenant, ...range, filters: { caller } };
    const [days, models] = await Promise.all([
      this.#groups(planUsage(checkQuestion({ ...question, groupBy: ['day'] }), { limit: 4000 })),
      this.report({ ...question, groupBy: ['model'] }, { limit: MOST_GROUPS_A_PAGE }),
    ]);
    return {
      from: models.from,
      to: models.to,
      totals: models.totals,
      byDay: days,
      byModel: models.groups,
    };
  }

  #groups(plan: UsagePlan): Promise<UsageGroup[]> {
    return this.#cache.get(JSON.stringify([plan.sql, plan.values]), async () => {
      const { rows } = await this.db.query(plan.sql, plan.values);
      return rows.map((row) => ({ key: keyOf(row, plan.groupBy), sums: sumsOf(row) }));
    });
  }
}

export interface CallerUsage {
  readonly from: Date;
  readonly to: Date;
  readonly totals: UsageSums;
  readonly byDay: readonly UsageGroup[];
  readonly byModel: readonly UsageGroup[];
}

function keyOf(row: Record<string, unknown>, groupBy: readonly Dimension[]): UsageGroup['key'] {
  const entries = groupBy.map((dimension, index) => {
    const value = String(row[`g${index}`]);
    return [dimension, value === '' ? null : value] as const;
  });
  return Object.fromEntries(entries);
}

function sumsOf(row: Record<string, unknown>): UsageSums {
  // Without a row in range `sum` is null; a column that the source lacks is undefined.
  const number = (name: string) => (row[name] === undefined ? undefined : Number(row[name] ?? 0));
  const calls = number('calls') ?? 0;
  const cache = number('saved_cache_micro_usd');
  return {
    calls,
    failures: number('failures'),
    hits: number('hits'),
    coalesced: number('coalesced'),
    estimated: number('estimated'),
    inputTokens: number('input_tokens') ?? 0,
    outputTokens: number('output_tokens') ?? 0,
    cachedInputTokens: number('cached_input_tokens'),
    cacheWriteTokens: number('cache_write_tokens'),
    reasoningTokens: number('reasoning_tokens'),
    costMicroUsd: number('cost_micro_usd') ?? 0,
    savedMicroUsd:
      cache === undefined
        ? undefined
        : {
            cache,
            routing: number('saved_routing_micro_usd') ?? 0,
            coalescing: number('saved_coalescing_micro_usd') ?? 0,
          },
    latency: latencyOf(row.histogram, calls === 0 ? 0 : (number('duration_us') ?? 0) / calls),
  };
}

function latencyOf(histogram: unknown, meanUs: number): Latency | undefined {
  if (!Array.isArray(histogram)) return undefined;
  const counts = histogram.map(Number);
  const p50 = percentileUs(counts, 0.5);
  const p95 = percentileUs(counts, 0.95);
  const p99 = percentileUs(counts, 0.99);
  if (p50 === undefined || p95 === undefined || p99 === undefined) return undefined;
  return { meanMs: ms(meanUs), p50Ms: ms(p50), p95Ms: ms(p95), p99Ms: ms(p99) };
}

function ms(us: number): number {
  return Math.round(us) / 1000;
}

const NOTHING: UsageSums = sumsOf({});

function writeCursor(group: UsageGroup, groupBy: readonly Dimension[]): string {
  const values = groupBy.map((dimension) => group.key[dimension] ?? '');
  return Buffer.from(JSON.stringify(values)).toString('base64url');
}

const TIME_VALUES: Readonly<Partial<Record<Dimension, RegExp>>> = {
  day: /^\d{4}-\d{2}-\d{2}$/,
  hour: /^\d{4}-\d{2}-\d{2}T\d{2}:00:00Z$/,
};

function readCursor(cursor: string, groupBy: readonly Dimension[]): string[] {
  const values = parseCursor(cursor);
  const fits =
    values?.length === groupBy.length &&
    groupBy.every((dimension, index) => isValueOf(dimension, values[index] ?? ''));
  if (!fits) throw invalid('cursor', 'This cursor does not belong to this question.');
  return values;
}

function isValueOf(dimension: Dimension, value: string): boolean {
  const form = TIME_VALUES[dimension];
  return form === undefined || (form.test(value) && !Number.isNaN(Date.parse(value)));
}

function parseCursor(cursor: string): string[] | undefined {
  try {
    const values: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
    if (!Array.isArray(values)) return undefined;
    return values.every(
      (value): value is string => typeof value === 'string' && !value.includes('\0'),
    )
      ? values
      : undefined;
  } catch {
    return undefined;
  }
}
