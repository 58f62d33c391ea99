// npm run chaos:limits [-- --seconds 30 --processes 3 --lanes 30 --every 1000 --no-redis --hurry]
// Processes spend one budget and are killed (SIGKILL) one after the other. Afterwards, on every scope:
// provider's truth ≤ recorded ≤ limit, nothing held, every alert once, and nobody was refused while nine tenths were left.
// --hurry ends the leases of the dead at once instead of waiting for them.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Database, startTestPostgres } from '@sluice/database';
import { SystemClock, type ManualClock } from '@sluice/kernel';
import { SilentLogger } from '@sluice/observability';
import { LiveRedisConnection, startTestRedis } from '@sluice/redis';
import { SqlAllowanceBank } from '../../libs/token-limits/src/persistence/sql-allowance.bank.js';
import { spendWorld } from '../../libs/token-limits/testing/spend-world.js';
import { POLICIES } from './policies.js';

const { values: args } = parseArgs({
  options: {
    seconds: { type: 'string', default: '30' },
    processes: { type: 'string', default: '3' },
    lanes: { type: 'string', default: '30' },
    every: { type: 'string', default: '1000' },
    'no-redis': { type: 'boolean', default: false },
    hurry: { type: 'boolean', default: false },
    name: { type: 'string', default: 'chaos-limits' },
  },
});
const logger = new SilentLogger();
const directory = await mkdtemp(join(tmpdir(), 'sluice-chaos-limits-'));
const ledger = join(directory, 'truth');
await writeFile(ledger, '');
const postgres = await startTestPostgres();
const server = await startTestRedis();
const { url } = await postgres.createDatabase();
const database = await Database.open({
  settings: { url, poolMax: 2, dataDir: '', embedded: 'join' },
  logger,
});
const redis = new LiveRedisConnection({ url: server.url, commandTimeoutMs: 1000 }, logger);
await redis.ready(3000);

const root = fileURLToPath(new URL('../../', import.meta.url));
const child = (): ChildProcess =>
  spawn(
    process.execPath,
    [
      ...['--import', './tools/typescript.mjs', 'benchmarks/chaos-limits/caller.ts', url],
      ...[args['no-redis'] ? '-' : server.url, ledger, args.lanes],
    ],
    { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] },
  );

const processes = Array.from({ length: Number(args.processes) }, child);
let kills = 0;
try {
  // The first calls of all of them, before the first one dies.
  while (!(await readFile(ledger, 'utf8')).includes('bill')) await sleep(50);
  const until = performance.now() + Number(args.seconds) * 1000;
  while (performance.now() < until) {
    await sleep(Number(args.every));
    const index = kills++ % processes.length;
    processes[index]?.kill('SIGKILL');
    processes[index] = child();
  }
} finally {
  for (const each of processes) {
    each.kill('SIGKILL');
    if (each.exitCode === null && each.signalCode === null) await once(each, 'exit');
  }
}

const world = spendWorld({
  policies: POLICIES,
  bank: new SqlAllowanceBank(database),
  clock: new SystemClock() as unknown as ManualClock,
  ...(args['no-redis'] ? {} : { redis }),
});
if (args.hurry) {
  const ids = await redis.command<string[]>(['ZRANGE', 'sluice:{spend}:leases', '0', '-1']);
  for (const id of ids) await redis.command(['ZADD', 'sluice:{spend}:leases', '1', id]);
} else if (!args['no-redis']) {
  await sleep(31_000);
}
for (let i = 0; i < 50; i++) await world.engine.sweep();

const lines = (await readFile(ledger, 'utf8')).split('\n');
const budget = 100_000;
let truth = 0;
let tokens = 0;
let calls = 0;
let early = 0;
const refusals: Record<string, number> = {};
for (const line of lines) {
  const [kind, first = '', second = '0'] = line.split(' ');
  if (kind === 'bill') {
    calls++;
    tokens += Number(first);
    truth += Number(second);
  } else if (kind === 'refused') {
    refusals[first] = (refusals[first] ?? 0) + 1;
    // What is in flight is at most every lane's estimate.
    const flying = Number(args.processes) * Number(args.lanes) * 210;
    if (truth + flying < 0.9 * budget) early++;
  }
}
const [system] = (await world.view.all()).filter((limit) => limit.scope === 'system');
const [tenant] = (await world.view.all()).filter((limit) => limit.scope === 'tenant:acme');
const { rows } = await database.requests.query<{ twice: string; fired: string }>(
  'SELECT count(*) AS fired, count(*) - count(DISTINCT (counter, threshold)) AS twice FROM budget_alerts',
);
const report = {
  seconds: Number(args.seconds),
  redis: !args['no-redis'],
  kills,
  calls,
  truth,
  recorded: system?.spent ?? 0,
  limit: system?.limit ?? 0,
  held: system?.held ?? 0,
  tokens,
  recordedTokens: tenant?.spent ?? 0,
  overPercent: Math.round((((system?.spent ?? 0) - truth) / truth) * 1000) / 10,
  refusals,
  refusedEarly: early,
  alerts: Number(rows[0]?.fired),
  alertsTwice: Number(rows[0]?.twice),
};
console.table(report);
const failures = [
  truth > report.recorded && 'truth > recorded',
  report.recorded > report.limit && 'recorded > limit',
  tokens > report.recordedTokens && 'tokens: truth > recorded',
  report.held !== 0 && 'something is held',
  report.alertsTwice !== 0 && 'an alert fired twice',
  early !== 0 && 'refused although nine tenths were left',
].filter((failure) => failure !== false);
await redis.close();
await database.close();
await Promise.all([server.stop(), postgres.stop()]);
await rm(directory, { recursive: true, force: true });
const results = new URL('../results/', import.meta.url);
await mkdir(results, { recursive: true });
await writeFile(new URL(`${args.name}.json`, results), `${JSON.stringify(report, null, 2)}\n`);
for (const failure of failures) console.error(`FAILED: ${failure}`);
process.exit(failures.length === 0 ? 0 : 1);
