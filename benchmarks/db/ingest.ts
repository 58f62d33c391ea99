import pg from 'pg';
import { MIGRATIONS } from '../../libs/database/src/migrations/catalogue.js';
import { uuidv7 } from '@sluice/kernel';
import { anEvent, tokens } from '../../libs/usage/src/testing/usage-events.js';
import {
  decodeRow,
  encodeEvent,
  USAGE_COLUMNS,
} from '../../libs/usage/src/persistence/usage.columns.js';
import { insertEvents } from '../../libs/usage/src/persistence/usage.writer.js';

const BATCH = 500;
const MODELS = [
  'gpt-4o-mini',
  'gpt-4o',
  'claude-sonnet-4-5',
  'claude-haiku-4-5',
  'gemini-2.5-flash',
];

export interface IngestResult {
  readonly path: string;
  readonly rows: number;
  readonly rowsPerSecond: number;
}

const NAMES = USAGE_COLUMNS.map(({ name }) => name).join(', ');
const PLAIN_ONE = `INSERT INTO token_usage (${NAMES}) VALUES (${USAGE_COLUMNS.map(
  ({ name, type }, n) =>
    name === 'at' ? `to_timestamp($${n + 1}::float8 / 1000)` : `$${n + 1}::${type}`,
).join(', ')})`;
const COST = USAGE_COLUMNS.findIndex(({ name }) => name === 'cost_micro_usd');
/** As the migration makes them. */
const INDEXES = MIGRATIONS.flatMap(
  ({ up }) => up.match(/CREATE INDEX token_usage_[^;]*;/g) ?? [],
).join(' ');
const HOT_SPEND = `INSERT INTO benchmark_spend VALUES ('default', $1) ON CONFLICT (tenant) DO UPDATE SET spent = benchmark_spend.spent + excluded.spent`;

const ROUNDS = 3;

/**
 * Rows a second of each way to insert, on the same tables: the median of three rounds, each way once in each round, so that
 * what else the machine does falls on all of them.
 */
export async function measureIngest(url: string, rows: number): Promise<IngestResult[]> {
  const pool = new pg.Pool({ connectionString: url, max: 4 });
  const measured = new Map<string, IngestResult[]>();
  const run = async (
    path: string,
    count: number,
    work: (payloads: string[]) => Promise<unknown>,
    { lanes = 1, size = BATCH } = {},
  ) => {
    const batches: string[][] = [];
    for (let n = 0; n < count; n += size) batches.push(events(size));
    const started = performance.now();
    await Promise.all(
      Array.from({ length: lanes }, async () => {
        for (let batch = batches.pop(); batch !== undefined; batch = batches.pop())
          await work(batch);
      }),
    );
    const rowsPerSecond = Math.round((count / (performance.now() - started)) * 1000);
    const results = measured.get(path) ?? [];
    measured.set(path, [...results, { path, rows: count, rowsPerSecond }]);
  };
  const ours = (batch: string[]) => insertEvents(pool, batch);
  try {
    await pool.query(
      'CREATE TABLE benchmark_spend (tenant text PRIMARY KEY, spent bigint NOT NULL)',
    );
    const few = Math.min(rows, 4_000);
    for (let round = 0; round < ROUNDS; round += 1) {
      const one = ([event]: string[]) => pool.query(PLAIN_ONE, [...decodeRow(event!)]);
      await run('one statement a call, no rollup', few, one, { size: 1 });
      const hot = ([event]: string[]) => insertWithHotSpend(pool, decodeRow(event!));
      await run('one transaction a call with a hot UPDATE of the spend', few, hot, { size: 1 });
      await run('ours: batches of 500 with the rollups, one connection', rows, ours);
      await run('ours, four connections', rows, ours, { lanes: 4 });
      await pool.query('DROP INDEX token_usage_caller');
      await run('ours without the caller index', rows, ours);
      await pool.query('DROP INDEX token_usage_at');
      await run('ours without caller and time index', rows, ours);
      await pool.query(INDEXES);
    }
  } finally {
    await pool.end();
  }
  return [...measured.values()].map(medianOf);
}

function medianOf(results: readonly IngestResult[]): IngestResult {
  const sorted = results.toSorted((a, b) => a.rowsPerSecond - b.rowsPerSecond);
  return sorted[sorted.length >> 1]!;
}

async function insertWithHotSpend(pool: pg.Pool, row: ReturnType<typeof decodeRow>): Promise<void> {
  const client = await pool.connect();
  await client.query('BEGIN');
  await client.query(PLAIN_ONE, [...row]);
  await client.query(HOT_SPEND, [row[COST]]);
  await client.query('COMMIT');
  client.release();
}

/** Events of a second just past, of 2,000 callers, as the spool holds them. */
export function events(count: number): string[] {
  return Array.from({ length: count }, () => {
    const caller = Math.floor(Math.random() ** 2 * 2_000);
    const at = Date.now() - Math.floor(Math.random() * 1_000);
    return encodeEvent(
      anEvent({
        requestId: uuidv7(at),
        at,
        caller: `user-${caller}`,
        tier: caller % 10 === 0 ? 'paid' : 'free',
        agent: caller % 3 === 0 ? `agent-${caller % 12}` : undefined,
        model: MODELS[caller % MODELS.length]!,
        usage: tokens(caller, 50),
        durationUs: Math.floor(Math.random() * 5e6),
      }),
    );
  });
}
