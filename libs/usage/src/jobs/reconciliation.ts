import { columnsOf, ROLLUPS, rollupSelect, type Rollup } from '../persistence/rollups.js';
import type { DatabasePool } from '@sluice/database';

const DAY_MS = 86_400_000;
/** For this transaction alone: a large day takes longer than the writer's other statements may. */
const NO_HURRY = `SET LOCAL statement_timeout = '10min'`;

export interface Difference {
  readonly day: string;
  readonly rollup: string;
  /** Keys whose sums differ, or which only one side has. */
  readonly keys: number;
}

/**
 * Compares each rollup with the events it was added up from. Both change in the same transaction,
 * so one statement always sees them equal: a difference is a fault, and the events are right.
 */
export class Reconciliation {
  constructor(private readonly db: DatabasePool) {}

  /** @param day any moment of the UTC day */
  async compare(day: Date): Promise<Difference[]> {
    const range = dayRange(day);
    const differences: Difference[] = [];
    for (const rollup of ROLLUPS) {
      const { rows } = await this.db.transaction(async (db) => {
        await db.query(NO_HURRY);
        return db.query(COMPARISONS.get(rollup) ?? '', [range.from, range.to]);
      });
      const keys = Number(rows[0]?.keys ?? 0);
      if (keys > 0) differences.push({ day: range.from.slice(0, 10), rollup: rollup.table, keys });
    }
    return differences;
  }

  /** Adds a day up anew. Writers of the rollups wait meanwhile; readers see the old sums, then the new ones. */
  rebuild(day: Date): Promise<void> {
    const { from, to } = dayRange(day);
    return this.db.transaction(async (db) => {
      await db.query(NO_HURRY);
      const tables = ROLLUPS.map(({ table }) => table).join(', ');
      await db.query(`LOCK TABLE ${tables} IN SHARE ROW EXCLUSIVE MODE`);
      for (const rollup of ROLLUPS) {
        await db.query(`DELETE FROM ${rollup.table} WHERE ${inDay(rollup)}`, [from, to]);
        const columns = columnsOf(rollup).join(', ');
        await db.query(`INSERT INTO ${rollup.table} (${columns}) ${fromEvents(rollup)}`, [
          from,
          to,
        ]);
      }
    });
  }

  /** Compares every day from `from` to `to` and rebuilds those that differ. @returns what had differed */
  async run({ from, to }: { readonly from: Date; readonly to: Date }): Promise<Difference[]> {
    const all: Difference[] = [];
    for (let at = from.getTime(); at <= to.getTime(); at += DAY_MS) {
      const day = new Date(at);
      const differences = await this.compare(day);
      if (differences.length > 0) await this.rebuild(day);
      all.push(...differences);
    }
    return all;
  }
}

function fromEvents(rollup: Rollup): string {
  return rollupSelect(
    rollup,
    `(SELECT * FROM token_usage WHERE at >= $1::timestamptz AND at < $2::timestamptz) AS events`,
  );
}

function inDay(rollup: Rollup): string {
  return rollup.grain === 'hour'
    ? 'hour >= $1::timestamptz AND hour < $2::timestamptz'
    : `day >= ($1::timestamptz AT TIME ZONE 'UTC')::date AND day < ($2::timestamptz AT TIME ZONE 'UTC')::date`;
}

/** Symmetric difference over all columns, in one statement and so on one snapshot. */
const COMPARISONS: ReadonlyMap<Rollup, string> = new Map(
  ROLLUPS.map((rollup) => {
    const columns = columnsOf(rollup).join(', ');
    const key = rollup.key.map(({ name }) => name).join(', ');
    return [
      rollup,
      `WITH raw AS (${fromEvents(rollup)}),
      kept AS (SELECT ${columns} FROM ${rollup.table} WHERE ${inDay(rollup)}),
      different AS ((SELECT * FROM raw EXCEPT SELECT * FROM kept) UNION ALL (SELECT * FROM kept EXCEPT SELECT * FROM raw))
      SELECT count(DISTINCT (${key}))::int AS keys FROM different`,
    ];
  }),
);

function dayRange(day: Date): { from: string; to: string } {
  const start = Math.floor(day.getTime() / DAY_MS) * DAY_MS;
  return { from: new Date(start).toISOString(), to: new Date(start + DAY_MS).toISOString() };
}
