import type { Database } from '@sluice/database';
import { Reconciliation } from '../../libs/usage/src/jobs/reconciliation.js';

export interface Verdict {
  /** Calls that the upstream billed. */
  readonly billed: number;
  /** Calls whose whole answer reached the caller. */
  readonly answered: number;
  readonly stored: number;
  /** Answered or billed, and not in the database. */
  readonly lost: number;
  readonly twice: number;
  /** Another amount than the upstream's, and not marked as an estimate. */
  readonly wrong: number;
  /** Calls that died with their process, or whose event was cut off the spool: billed from their note. */
  readonly estimated: number;
  /** Days on which events fall: more than two when clocks step by weeks. */
  readonly days: number;
  /** Rollup keys that differ from the events. */
  readonly differences: number;
  readonly upstreamMicroUsd: number;
  readonly ourMicroUsd: number;
  /** Of the upstream's sum. */
  readonly differenceShare: number;
}

interface Row {
  readonly session: string;
  readonly cost: number;
  readonly n: number;
  readonly estimated: boolean;
}

/** Compares the upstream's book with the events, call by call, and the events with the rollups. */
export async function judge(
  db: Database,
  book: ReadonlyMap<string, number>,
  answered: ReadonlySet<string>,
): Promise<Verdict> {
  const { rows } = await db.reports.query<Row>(
    `SELECT session, sum(cost_micro_usd)::int AS cost, count(*)::int AS n, bool_or(estimated) AS estimated
     FROM token_usage WHERE session IS NOT NULL AND (cost_micro_usd > 0 OR outcome = 'interrupted') GROUP BY 1`,
  );
  const stored = new Map(rows.map((row) => [row.session, row]));
  const known = new Set([...book.keys(), ...answered]);
  const upstreamMicroUsd = sum(book.values());
  const ourMicroUsd = sum(rows.map(({ cost }) => cost));
  return {
    billed: book.size,
    answered: answered.size,
    stored: stored.size,
    lost: [...known].filter((tag) => !stored.has(tag)).length,
    twice: rows.filter(({ n }) => n > 1).length,
    wrong: rows.filter((row) => !row.estimated && row.cost !== book.get(row.session)).length,
    estimated: rows.filter(({ estimated }) => estimated).length,
    ...(await compareRollups(db)),
    upstreamMicroUsd,
    ourMicroUsd,
    differenceShare: Math.abs(upstreamMicroUsd - ourMicroUsd) / upstreamMicroUsd,
  };
}

async function compareRollups(
  db: Database,
): Promise<{ readonly days: number; readonly differences: number }> {
  const { rows: days } = await db.reports.query<{ day: Date }>(
    `SELECT DISTINCT date_trunc('day', at, 'UTC') AS day FROM token_usage`,
  );
  let differences = 0;
  for (const { day } of days) {
    for (const { keys } of await new Reconciliation(db.writer).compare(day)) differences += keys;
  }
  return { days: days.length, differences };
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
