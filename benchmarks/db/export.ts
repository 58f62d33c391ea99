// Exports everything as the endpoint does and prints rows, seconds and the resident set before and at its largest.
import pg from 'pg';
import { UsageExport } from '../../libs/usage/src/queries/usage.export.js';

const pool = new pg.Pool({ connectionString: process.argv[2], max: 1 });
await pool.query('SELECT 1');
const rssBefore = process.memoryUsage.rss();
const started = performance.now();
const range = {
  from: new Date(Date.now() - 100 * 86_400_000),
  to: new Date(Date.now() + 86_400_000),
};
// The header line is no row.
let rows = -1;
let bytes = 0;
let maxRss = 0;
for await (const piece of new UsageExport(pool).csv({ tenant: 'default', ...range })) {
  // As the socket would get it.
  const sent = Buffer.from(piece);
  bytes += sent.length;
  for (let at = sent.indexOf(10); at !== -1; at = sent.indexOf(10, at + 1)) rows += 1;
  maxRss = Math.max(maxRss, process.memoryUsage.rss());
}
await pool.end();
const mb = (value: number) => Math.round(value / 2 ** 20);
const seconds = Math.round((performance.now() - started) / 100) / 10;
const result = {
  rows,
  seconds,
  mbytes: mb(bytes),
  rssBeforeMb: mb(rssBefore),
  maxRssMb: mb(maxRss),
};
console.log(JSON.stringify(result));
