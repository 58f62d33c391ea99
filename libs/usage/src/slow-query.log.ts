import { createHash } from 'node:crypto';
import type { Clock } from '@sluice/kernel';
import type { Logger } from '@sluice/observability';
import type { Queryable, SqlResult } from '@sluice/database';

const SLOW_MS = 100;
/** The plan of one statement is asked for at most this often: EXPLAIN is work too. */
const EXPLAIN_EVERY_MS = 60_000;
const MOST_STATEMENTS = 500;

/**
 * Runs statements and logs those over 100 ms with a fingerprint of their text and one of their plan, so that the
 * same query on another plan stands out. No parameter and no literal reaches the log: the text has none, and of the plan only
 * its shape is kept.
 */
export class SlowQueryLog implements Queryable {
  readonly #explained = new Map<string, { readonly at: number; readonly plan: string }>();

  constructor(
    private readonly db: Queryable,
    private readonly logger: Logger,
    private readonly clock: Clock,
  ) {}

  async query<Row extends object = Record<string, unknown>>(
    text: string,
    values: readonly unknown[] = [],
  ): Promise<SqlResult<Row>> {
    const started = this.clock.monotonic();
    const result = await this.db.query<Row>(text, values);
    const durationMs = Math.round(this.clock.monotonic() - started);
    if (durationMs > SLOW_MS) {
      void this.#report(text, values, { durationMs, rows: result.rows.length });
    }
    return result;
  }

  async #report(
    text: string,
    values: readonly unknown[],
    facts: { readonly durationMs: number; readonly rows: number },
  ): Promise<void> {
    const query = fingerprint(text);
    const plan = await this.#planOf(query, text, values);
    this.logger.warn({ query, plan, ...facts, statement: text.slice(0, 300) }, 'slow query');
  }

  async #planOf(query: string, text: string, values: readonly unknown[]): Promise<string> {
    const known = this.#explained.get(query);
    if (known !== undefined && this.clock.monotonic() - known.at < EXPLAIN_EVERY_MS)
      return known.plan;
    if (this.#explained.size >= MOST_STATEMENTS) this.#explained.clear();
    const plan = await this.db.query(`EXPLAIN (FORMAT JSON, COSTS OFF) ${text}`, values).then(
      ({ rows }) => fingerprint(planShape(rows[0]?.['QUERY PLAN'])),
      () => 'unknown',
    );
    this.#explained.set(query, { at: this.clock.monotonic(), plan });
    return plan;
  }
}

function fingerprint(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}

/** Node types, relations and indexes of a plan, without conditions: those hold literals. */
export function planShape(plan: unknown): string {
  if (Array.isArray(plan)) return plan.map(planShape).join(',');
  if (typeof plan !== 'object' || plan === null) return '';
  const node: Readonly<Record<string, unknown>> = { ...plan };
  if ('Plan' in node) return planShape(node.Plan);
  const names = [node['Node Type'], node['Relation Name'], node['Index Name']];
  const label = names.filter((name) => typeof name === 'string').join(':');
  const children = planShape(node.Plans ?? []);
  return children === '' ? label : `${label}(${children})`;
}
