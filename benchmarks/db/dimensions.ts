import pg from 'pg';
import { decodeRow, USAGE_COLUMNS } from '../../libs/usage/src/persistence/usage.columns.js';
import { events } from './ingest.js';

const BATCH = 500;

export interface DimensionResult {
  readonly form: 'names' | 'numbers';
  readonly rows: number;
  readonly rowsPerSecond: number;
  readonly tableMb: number;
  readonly indexMb: number;
  /** Reading all rows with their names, as the export does. */
  readonly exportSeconds: number;
}

type Batches = readonly (readonly ReturnType<typeof decodeRow>[])[];
const TEXT = new Set(USAGE_COLUMNS.filter(({ type }) => type === 'text').map(({ name }) => name));
const SQL_TYPE: Readonly<Record<string, string>> = {
  uuid: 'uuid',
  text: 'text',
  int4: 'integer',
  int8: 'bigint',
  bool: 'boolean',
};
const INDEXED =
  '(tenant, caller, at) INCLUDE (agent, model, input_tokens, output_tokens, cost_micro_usd, corrects)';

/**
 * The events as they are stored, and with a number for each name (caller, model, provider, tier, agent and the other texts)
 * that a dimension table explains. Numbers get the best case: the writer knows all of them, so that a batch looks nothing up.
 */
export async function measureDimensions(url: string, rows: number): Promise<DimensionResult[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const batches = Array.from({ length: Math.ceil(rows / BATCH) }, () =>
    events(BATCH).map(decodeRow),
  );
  try {
    await client.query(
      'CREATE TABLE benchmark_name (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE)',
    );
    const numbers = await nameNumbers(client, batches);
    const results = [];
    for (const form of ['names', 'numbers'] as const) {
      results.push(await measureForm(client, form, batches, numbers));
    }
    await client.query('DROP TABLE benchmark_names, benchmark_numbers, benchmark_name');
    return results;
  } finally {
    await client.end();
  }
}

async function nameNumbers(
  client: pg.Client,
  batches: Batches,
): Promise<ReadonlyMap<string, number>> {
  const names = new Set<string>();
  for (const row of batches.flat()) {
    USAGE_COLUMNS.forEach(({ name }, n) => {
      const cell = row[n];
      if (TEXT.has(name) && typeof cell === 'string') names.add(cell);
    });
  }
  const { rows } = await client.query<{ id: number; name: string }>(
    'INSERT INTO benchmark_name (name) SELECT unnest($1::text[]) RETURNING id, name',
    [[...names]],
  );
  return new Map(rows.map(({ id, name }) => [name, id]));
}

async function measureForm(
  client: pg.Client,
  form: 'names' | 'numbers',
  batches: Batches,
  numbers: ReadonlyMap<string, number>,
): Promise<DimensionResult> {
  const table = `benchmark_${form}`;
  const typeOf = (name: string, type: string) =>
    form === 'numbers' && TEXT.has(name) ? 'int4' : type;
  const columns = USAGE_COLUMNS.map(({ name, type }) =>
    name === 'at' ? 'at timestamptz' : `${name} ${SQL_TYPE[typeOf(name, type)] ?? type}`,
  );
  await client.query(`CREATE TABLE ${table} (${columns.join(', ')}, PRIMARY KEY (request_id, at))`);
  await client.query(`CREATE INDEX ON ${table} ${INDEXED}`);
  await client.query(`CREATE INDEX ON ${table} USING brin (at)`);
  const names = USAGE_COLUMNS.map(({ name }) => name).join(', ');
  const values = USAGE_COLUMNS.map(({ name }) =>
    name === 'at' ? 'to_timestamp(at / 1000)' : name,
  ).join(', ');
  const parameters = USAGE_COLUMNS.map(
    ({ name, type }, n) => `$${n + 1}::${typeOf(name, type)}[]`,
  ).join(', ');
  const insert = `INSERT INTO ${table} (${names}) SELECT ${values} FROM unnest(${parameters}) AS t(${names}) ON CONFLICT DO NOTHING`;
  const started = performance.now();
  for (const batch of batches) {
    await client.query(
      insert,
      USAGE_COLUMNS.map(({ name }, n) =>
        batch.map((row) => {
          const cell = row[n] ?? null;
          return form === 'numbers' && TEXT.has(name) && cell !== null
            ? numbers.get(String(cell))
            : cell;
        }),
      ),
    );
  }
  const seconds = (performance.now() - started) / 1000;
  await client.query(`VACUUM (ANALYZE) ${table}`);
  const { rows } = await client.query<{ n: number; heap: number; indexes: number }>(
    `SELECT count(*)::int AS n, pg_table_size($1)::float8 AS heap, pg_indexes_size($1)::float8 AS indexes FROM ${table}`,
    [table],
  );
  const [size] = rows;
  return {
    form,
    rows: size?.n ?? 0,
    rowsPerSecond: Math.round((size?.n ?? 0) / seconds),
    tableMb: megabytes(size?.heap),
    indexMb: megabytes(size?.indexes),
    exportSeconds: await exportSeconds(client, table, form),
  };
}

async function exportSeconds(
  client: pg.Client,
  table: string,
  form: 'names' | 'numbers',
): Promise<number> {
  const cells = USAGE_COLUMNS.map(({ name }) =>
    form === 'numbers' && TEXT.has(name) ? `n_${name}.name` : `e.${name}::text`,
  );
  const joins =
    form === 'names'
      ? []
      : [...TEXT].map((name) => `LEFT JOIN benchmark_name n_${name} ON n_${name}.id = e.${name}`);
  const started = performance.now();
  await client.query(
    `SELECT sum(length(concat_ws(',', ${cells.join(', ')}))) FROM ${table} e ${joins.join(' ')}`,
  );
  return Math.round(performance.now() - started) / 1000;
}

function megabytes(bytes = 0): number {
  return Math.round(bytes / 2 ** 20);
}
