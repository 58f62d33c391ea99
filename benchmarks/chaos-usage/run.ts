// npm run chaos:usage [-- --kills 15 --crashes 4 --rate 500]
// Two writers under load are killed, the database crashes, the disk fills, segments are torn, clocks step.
// Then every acknowledged event must be in the database once, and the rollups must equal the events.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Database, EmbeddedPostgres } from '@sluice/database';
import { uuidv7 } from '@sluice/kernel';
import { SilentLogger } from '@sluice/observability';
import { Reconciliation } from '../../libs/usage/src/jobs/reconciliation.js';
import { encodeEvent } from '../../libs/usage/src/persistence/usage.columns.js';
import { encodeFrames } from '../../libs/usage/src/spool/frame.codec.js';
import { anEvent } from '../../libs/usage/src/testing/usage-events.js';

const { values: args } = parseArgs({
  options: {
    kills: { type: 'string', default: '15' },
    crashes: { type: 'string', default: '4' },
    rate: { type: 'string', default: '500' },
    pause: { type: 'string', default: '4000' },
    disk: { type: 'string', default: '2m' },
    name: { type: 'string', default: 'chaos-usage' },
  },
});
const kills = Number(args.kills);
const crashes = Number(args.crashes);
const DAY_MS = 86_400_000;
/** Each writer that starts has another idea of the time: a week late, right, five weeks early, an hour late. */
const CLOCK_STEPS = [0, -7 * DAY_MS, 0, 35 * DAY_MS, -3_600_000];

const logger = new SilentLogger();
const root = await mkdtemp(join(tmpdir(), 'sluice-chaos-usage-'));
const spool = join(root, 'spool');
const ledgers: string[] = [];
await mkdir(spool);
const smallDisk = mount();
const alive = setInterval(() => undefined, 60_000);
let server = await EmbeddedPostgres.start({ dataDir: join(root, 'db'), logger });
const url = urlOf(server);
await (await database()).close();

const started = performance.now();
const writers = [startWriter(), startWriter()];
/** Which ledger each of the two writes now. */
const current = [0, 1];
const done = { kills: 0, crashes: 0, torn: 0, outages: 0 };
try {
  while (done.kills < kills) {
    await delay(Number(args.pause) * (0.5 + Math.random()));
    await killOne();
    if (done.crashes < crashes && done.kills >= ((done.crashes + 1) * kills) / (crashes + 1))
      await crash();
    if (done.outages === 0 && done.kills >= kills / 2) await outage();
  }
  await delay(500);
  await Promise.all(writers.map((writer) => end(writer, 'SIGTERM')));
  await once(startWriter('drain'), 'exit');
  const verdict = await judge();
  await report(verdict);
  process.exitCode =
    verdict.lost + verdict.twice + verdict.wrong + verdict.differences === 0 ? 0 : 1;
} finally {
  for (const writer of writers) writer.kill('SIGKILL');
  await server.stop();
  clearInterval(alive);
  if (smallDisk) execFileSync('umount', [spool]);
  await rm(root, { recursive: true, force: true });
}

function mount(): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${args.disk}`, 'tmpfs', spool], {
      stdio: 'ignore',
    });
    return true;
  } catch {
    console.log('No right to mount a small disk: the spool never runs out of space in this run.');
    return false;
  }
}

function startWriter(mode = 'run'): ChildProcess {
  const ledger = join(root, `ledger-${ledgers.length}`);
  const step = CLOCK_STEPS[ledgers.length % CLOCK_STEPS.length] ?? 0;
  ledgers.push(ledger);
  return spawn(
    process.execPath,
    [
      '--import',
      './tools/typescript.mjs',
      'benchmarks/chaos-usage/writer.ts',
      url,
      spool,
      ledger,
      args.rate,
      String(step),
      mode,
    ],
    { stdio: ['ignore', 'inherit', 'inherit'] },
  );
}

async function killOne(): Promise<void> {
  const index = Math.floor(Math.random() * writers.length);
  const victim = writers[index];
  // One that has not begun would prove nothing.
  if (victim === undefined || !(await hasWritten(index))) return;
  const before = new Set(await readdir(spool));
  await end(victim, 'SIGKILL');
  await tear([...before].filter((name) => name.startsWith(`${victim.pid}-`)));
  writers[index] = startWriter();
  current[index] = ledgers.length - 1;
  done.kills += 1;
}

async function hasWritten(index: number): Promise<boolean> {
  const text = await readFile(ledgers[current[index] ?? 0] ?? '', 'utf8').catch(() => '');
  return text.includes('\na ');
}

/** As if the machine had stopped in the middle of a write: a frame of an event that nobody acknowledged, cut anywhere. */
async function tear(directories: readonly string[]): Promise<void> {
  const frame = encodeFrames([encodeEvent(anEvent({ requestId: uuidv7(), caller: 'torn' }))]);
  for (const name of directories) {
    const segments = await readdir(join(spool, name)).catch(() => []);
    const last = segments
      .filter((file) => file.endsWith('.seg'))
      .sort()
      .at(-1);
    if (last === undefined) continue;
    const cut = 1 + Math.floor(Math.random() * (frame.length - 1));
    const torn = await appendFile(join(spool, name, last), frame.subarray(0, cut)).then(
      () => true,
      () => false,
    );
    if (torn) done.torn += 1;
  }
}

/** `pg_ctl stop -m immediate`: no checkpoint, no good-bye. */
async function crash(): Promise<void> {
  if (server.pid === undefined) return;
  process.kill(server.pid, 'SIGQUIT');
  done.crashes += 1;
}

/** Long enough for two writers to fill the small disk. */
async function outage(): Promise<void> {
  await server.stop();
  const deadline = performance.now() + 30_000;
  while (performance.now() < deadline && smallDisk) {
    await delay(200);
    const notes = await Promise.all(
      current.map((n) => readFile(ledgers[n] ?? '', 'utf8').catch(() => '')),
    );
    if (notes.every((text) => text.includes('\ns\n'))) break;
  }
  await delay(1_000);
  server = await EmbeddedPostgres.start({ dataDir: join(root, 'db'), logger });
  done.outages += 1;
}

async function end(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
}

interface Verdict {
  readonly begun: number;
  readonly acknowledged: number;
  readonly stored: number;
  readonly lost: number;
  readonly twice: number;
  readonly wrong: number;
  /** Rollup keys that differ from the events. */
  readonly differences: number;
  /** Share of the upstream's true ledger that is missing: calls that were in flight when their process was killed. */
  readonly missingCost: number;
  readonly shed: number;
  readonly faults: Readonly<Record<string, number>>;
}

async function judge(): Promise<Verdict> {
  const acknowledged = new Map<string, number>();
  const begun = new Map<string, number>();
  const faults: Record<string, number> = {};
  let shed = 0;
  for (const path of ledgers) {
    for (const line of (await readFile(path, 'utf8').catch(() => '')).split('\n')) {
      const [kind, id = '', cost] = line.split(' ');
      // A killed writer's last line may be cut.
      if (kind === 'a' && cost !== undefined && begun.has(id))
        acknowledged.set(id, begun.get(id) ?? 0);
      if (kind === 'b' && cost !== undefined) begun.set(id, Number(cost));
      if (kind === 'f') faults[id] = (faults[id] ?? 0) + 1;
      if (kind === 's') shed += 1;
    }
  }
  const db = await database();
  const { rows } = await db.reports.query<{
    request_id: string;
    cost: number;
    n: number;
    days: Date;
  }>(
    `SELECT request_id, sum(cost_micro_usd)::int AS cost, count(*)::int AS n FROM token_usage GROUP BY 1`,
  );
  const stored = new Map(rows.map((row) => [row.request_id, row]));
  const { rows: days } = await db.reports.query<{ day: Date }>(
    `SELECT DISTINCT date_trunc('day', at, 'UTC') AS day FROM token_usage`,
  );
  let differences = 0;
  for (const { day } of days) {
    for (const { keys } of await new Reconciliation(db.writer).compare(day)) differences += keys;
  }
  await db.close();
  let truth = 0;
  let ours = 0;
  for (const cost of begun.values()) truth += cost;
  for (const { cost } of rows) ours += cost;
  return {
    begun: begun.size,
    acknowledged: acknowledged.size,
    stored: stored.size,
    lost: [...acknowledged.keys()].filter((id) => !stored.has(id)).length,
    twice: rows.filter((row) => row.n > 1).length,
    wrong: [...acknowledged].filter(([id, cost]) => stored.has(id) && stored.get(id)?.cost !== cost)
      .length,
    differences,
    missingCost: (truth - ours) / truth,
    shed,
    faults,
  };
}

async function report(verdict: Verdict): Promise<void> {
  const seconds = Math.round((performance.now() - started) / 1000);
  const result = { at: new Date().toISOString(), seconds, smallDisk, ...done, ...verdict };
  console.log(JSON.stringify(result));
  // The short run of the test suite leaves no file behind.
  if (args.name === '') return;
  await mkdir('benchmarks/results', { recursive: true });
  await writeFile(`benchmarks/results/${args.name}.json`, `${JSON.stringify(result, null, 2)}\n`);
}

function database(): Promise<Database> {
  return Database.open({ settings: { url, poolMax: 2, dataDir: '', embedded: 'own' }, logger });
}

function urlOf({ address }: EmbeddedPostgres): string {
  const { host, port, user, database: name } = address;
  return `postgresql://${user}@/${name}?host=${encodeURIComponent(host)}&port=${port}`;
}
