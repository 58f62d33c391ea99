import type { Queryable } from '@sluice/database';
import { ROLLUP_INPUT, ROLLUPS, rollupSelect, rollupUpsert } from './rollups.js';
import { USAGE_COLUMNS } from './usage.columns.js';

const CELLS = USAGE_COLUMNS.map(({ name, type }, n) => {
  const cell = type === 'text' ? `e ->> ${n}` : `(e ->> ${n})::${type}`;
  return `${cell} AS ${name === 'at' ? 'at_ms' : name}`;
}).join(', ');
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
  SELECT ${CELLS}, nth FROM jsonb_array_elements(('[' || $1::text || ']')::jsonb) WITH ORDINALITY AS t(e, nth)
), inserted AS (
  INSERT INTO token_usage (${TARGETS}) SELECT ${VALUES} FROM input ORDER BY request_id, at_ms, nth DESC
  ON CONFLICT DO NOTHING RETURNING ${ROLLUP_INPUT.join(', ')}
), ${ROLLUPS.map((rollup) => `${rollup.table}_added AS (${rollupUpsert(rollup, rollupSelect(rollup, 'inserted'))})`).join(', ')}
SELECT count(*)::int AS inserted FROM inserted`;

/**
 * @param payloads events as the spool holds them: they go to the database as they are, and nobody parses them here
 * @returns how many events were new
 */
export async function insertEvents(db: Queryable, payloads: readonly string[]): Promise<number> {
  // The brackets come in the statement: around a text of this size they would make a second one of it.
  const result = await db.query(INSERT_EVENTS, [payloads.join(',')]);
  return Number(result.rows[0]?.inserted ?? 0);
}
