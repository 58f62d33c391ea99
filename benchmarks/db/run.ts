// npm run benchmark:db [-- --rows 10000000 --ingest 20000 --keep DIR]; --rows 0 measures the ways to insert alone
// Seeds usage events, then prints rows a second of each insert path and, for each query of the product, cold and warm
// times with our rollups and indexes and over single events without them. Plans go to the results file.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type pg from 'pg';
import { measureDimensions } from './dimensions.js';
import { measureIngest } from './ingest.js';
import { PRODUCT_QUERIES, type Statement } from './questions.js';
import { seed, SEEDED_DAYS } from './seed.js';
import { BenchmarkServer } from './server.js';

const { values: args } = parseArgs({
  options: {
    rows: { type: 'string', default: '10000000' },
    ingest: { type: 'string', default: '40000' },
    cold: { type: 'string', default: '3' },
    keep: { type: 'string' },
    name: { type: 'string', default: 'db' },
  },
});
const rows = Number(args.rows);
const COLD_RUNS = Number(args.cold);
const WARM_RUNS = 20;
/** A scan over all events takes seconds: once cold, once warm tells enough. */
const RAW_WARM_RUNS = 1;
const NO_INDEXES =
  'SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_bitmapscan = off';

const root = args.keep ?? (await mkdtemp(join(tmpdir(), 'sluice-bench-db-')));
const server = await BenchmarkServer.start(root);
try {
  await (await server.database()).close();
  console.log(`ingest, ${args.ingest} rows each`);
  const ingest = await measureIngest(server.url, Number(args.ingest));
  console.table(Object.fromEntries(ingest.map((each) => [each.path, each.rowsPerSecond])));
  const dimensions = await measureDimensions(server.url, 10 * Number(args.ingest));
  console.table(dimensions);
  const report = {
    at: new Date().toISOString(),
    rows,
    days: SEEDED_DAYS,
    ingest,
    dimensions,
    ...(rows === 0 ? {} : await measureReading()),
  };
  await mkdir('benchmarks/results', { recursive: true });
  await writeFile(`benchmarks/results/${args.name}.json`, `${JSON.stringify(report, null, 2)}\n`);
} finally {
  await server.stop();
  if (args.keep === undefined) await rm(root, { recursive: true, force: true });
}

/** Everything that needs the table full. */
async function measureReading() {
  await reset();
  const seeded = await seedAll();
  const queries = await measureQueries();
  console.table(
    Object.fromEntries(
      queries.map(({ name, source, ours, raw }) => [
        name,
        { source, ...flat('ours', ours), ...flat('raw', raw) },
      ]),
    ),
  );
  const exported = await measureExport();
  console.log(
    `CSV export of ${exported.rows} rows: ${exported.seconds} s, at most ${exported.maxRssMb} MB of memory`,
  );
  return { seeded, queries, export: exported };
}

async function reset(): Promise<void> {
  const client = await server.client();
  await client.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public');
  await client.end();
  await (await server.database()).close();
}

async function seedAll() {
  const client = await server.client();
  const started = performance.now();
  await seed(client, rows, (days) => {
    const seconds = Math.round((performance.now() - started) / 1000);
    if (days % 5 === 0)
      console.log(
        `seeded ${Math.round((rows * days) / SEEDED_DAYS)} of ${rows} rows, ${seconds} s`,
      );
  });
  const { rows: sizes } = await client.query<{
    relation: string;
    rows: string;
    table: string;
    indexes: string;
  }>(
    `SELECT regexp_replace(c.relname, '_\\d{8}$|_default$', '') AS relation, sum(greatest(c.reltuples, 0))::int8 AS rows,
      pg_size_pretty(sum(pg_table_size(c.oid))) AS table, pg_size_pretty(sum(pg_indexes_size(c.oid))) AS indexes
    FROM pg_class c WHERE c.relkind = 'r' AND c.relname ~ '^(token_usage|usage_)' GROUP BY 1 ORDER BY 1`,
  );
  const { rows: indexes } = await client.query<{ index: string; size: string }>(
    `SELECT p.relname AS index, pg_size_pretty(sum(pg_relation_size(i.inhrelid))) AS size
    FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent AND p.relkind = 'I' GROUP BY 1 ORDER BY 1`,
  );
  console.table(sizes);
  console.table(indexes);
  await client.end();
  return { seconds: Math.round((performance.now() - started) / 1000), sizes, indexes };
}

async function measureQueries() {
  const results = [];
  for (const { name, source, ours, raw } of PRODUCT_QUERIES) {
    const good = await measure(ours, { setUp: '', warm: WARM_RUNS, cold: COLD_RUNS });
    const bad = await measure(raw, { setUp: NO_INDEXES, warm: RAW_WARM_RUNS, cold: 1 });
    console.log(`${name}: ${good.warmP50} ms, raw ${bad.warmP50} ms`);
    results.push({ name, source, ours: good, raw: bad });
  }
  return results;
}

interface Times {
  readonly coldP50: number;
  readonly warmP50: number;
  readonly warmP95: number;
  readonly plan: readonly string[];
}

async function measure(
  statement: Statement,
  how: { setUp: string; warm: number; cold: number },
): Promise<Times> {
  const cold: number[] = [];
  for (let n = 0; n < how.cold; n += 1) {
    await server.cool();
    const client = await connected(how.setUp);
    cold.push(await time(client, statement));
    await client.end();
  }
  const client = await connected(how.setUp);
  if (how.warm > 1) await time(client, statement);
  const warm: number[] = [];
  for (let n = 0; n < how.warm; n += 1) warm.push(await time(client, statement));
  const { rows: plan } = await client.query<{ 'QUERY PLAN': string }>(
    `EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) ${statement.sql}`,
    [...statement.values],
  );
  await client.end();
  return {
    coldP50: percentile(cold, 0.5),
    warmP50: percentile(warm, 0.5),
    warmP95: percentile(warm, 0.95),
    plan: plan.map((row) => row['QUERY PLAN']),
  };
}

async function connected(setUp: string): Promise<pg.Client> {
  const client = await server.client();
  if (setUp !== '') await client.query(setUp);
  return client;
}

async function time(client: pg.Client, { sql, values }: Statement): Promise<number> {
  const started = performance.now();
  await client.query(sql, [...values]);
  return performance.now() - started;
}

function percentile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return (
    Math.round((sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0) * 10) / 10
  );
}

function flat(prefix: string, { coldP50, warmP50, warmP95 }: Times) {
  return { [`${prefix} cold`]: coldP50, [`${prefix} p50`]: warmP50, [`${prefix} p95`]: warmP95 };
}

interface ExportResult {
  readonly rows: number;
  readonly seconds: number;
  readonly mbytes: number;
  readonly rssBeforeMb: number;
  readonly maxRssMb: number;
}

/** In a process of its own, so that the memory is the export's alone. */
async function measureExport(): Promise<ExportResult> {
  const child = spawn(
    process.execPath,
    ['--import', './tools/typescript.mjs', 'benchmarks/db/export.ts', server.url],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let out = '';
  child.stdout.on('data', (piece: Buffer) => (out += piece.toString()));
  await once(child, 'close');
  return JSON.parse(out) as ExportResult;
}
