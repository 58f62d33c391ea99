import type { Queryable } from '@sluice/database';
import { ROLLUP_INPUT, ROLLUPS, rollupSelect, rollupUpsert } from './rollups.js';
import { USAGE_COLUMNS, type Cell, type UsageRow } from './usage.columns.js';

const INPUT_COLUMNS = USAGE_COLUMNS.map(({ name }) => (name === 'at' ? 'at_ms' : name)).join(', ');
const PARAMETERS = USAGE_COLUMNS.map(({ type }, index) => `$${index + 1}::${type}[]`).join(', ');
const TARGETS = USAGE_COLUMNS.map(({ name }) => name).join(', ');
const VALUES = USAGE_COLUMNS.map(({ name }) =>
  name === 'at' ? 'to_timestamp(at_ms / 1000)' : name,
).join(', ');

/**
 * Inserts a batch and adds to the rollups what was really inserted, as one statement and so one transaction:
 * a replay of any part changes nothing. Rows and rollup keys are taken in key order by every writer, so that two
 * of them wait for each other and never deadlock. Of two rows with one key in a batch the later one counts. Unnamed on purpose: it must pass a transaction-mode PgBouncer.
 */
export const INSERT_EVENTS = `WITH input AS (
  SELECT * FROM unnest(${PARAMETERS}) WITH ORDINALITY AS t(${INPUT_COLUMNS}, nth)
), inserted AS (
  INSERT INTO token_usage (${TARGETS}) SELECT ${VALUES} FROM input ORDER BY request_id, at_ms, nth DESC
  ON CONFLICT DO NOTHING RETURNING ${ROLLUP_INPUT.join(', ')}
), ${ROLLUPS.map((rollup) => `${rollup.table}_added AS (${rollupUpsert(rollup, rollupSelect(rollup, 'inserted'))})`).join(', ')}
SELECT count(*)::int AS inserted FROM inserted`;

/** @returns how many events were new. */
export async function insertRows(db: Queryable, rows: readonly UsageRow[]): Promise<number> {
  const values = USAGE_COLUMNS.map(({ type }, column) =>
    arrayLiteral(rows, column, type === 'text'),
  );
  const result = await db.query(INSERT_EVENTS, values);
  return Number(result.rows[0]?.inserted ?? 0);
}

/** One column of the batch as a Postgres array literal: far cheaper than the driver's own conversion. */
function arrayLiteral(rows: readonly UsageRow[], column: number, quoted: boolean): string {
  let out = '{';
  for (const row of rows) {
    if (out.length > 1) out += ',';
    out += element(row[column] ?? null, quoted);
  }
  return `${out}}`;
}

const NEEDS_ESCAPE = /["\\]/g;

function element(cell: Cell, quoted: boolean): string {
  if (cell === null) return 'NULL';
  if (!quoted) return String(cell);
  return `"${String(cell).replace(NEEDS_ESCAPE, '\\$&')}"`;
}
