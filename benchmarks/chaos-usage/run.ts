// npm run chaos:usage [-- --kills 15 --crashes 4 --callers 3]
// Two whole gateways on one Postgres are killed under load, the database crashes, the spool's disk fills, spools of killed
// gateways are cut at a random byte, clocks step. Then the upstream's own book is compared with the events, call by call.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Database, EmbeddedPostgres } from '@sluice/database';
import { SilentLogger } from '@sluice/observability';
import { startGateway, type GatewayProcess } from '../../test/gateway/gateway-process.js';
import { judge, type Verdict } from './judge.js';
import { billingUpstream, callAgain, configOf, POLICIES, type LoadCounts } from './load.js';

const { values: args } = parseArgs({
  options: {
    kills: { type: 'string', default: '15' },
    crashes: { type: 'string', default: '4' },
    outages: { type: 'string', default: '1' },
    callers: { type: 'string', default: '3' },
    answers: { type: 'string', default: '300' },
    disk: { type: 'string', default: '640k' },
    name: { type: 'string', default: 'chaos-usage' },
  },
});
const kills = Number(args.kills);
const crashes = Number(args.crashes);
const DAY_MS = 86_400_000;
/** Each gateway that starts has another idea of the time, and changes it while it runs: late by a week, early by five. */
const CLOCKS = [
  [0, -3_600_000],
  [-7 * DAY_MS, 0],
  [0, 35 * DAY_MS],
  [-60_000, 60_000],
];
const OUTAGE_MS = 45_000;
/** How long both gateways live with a full disk. */
const FULL_DISK_MS = 2_000;

const PEPPER = randomBytes(32).toString('hex');
const logger = new SilentLogger();
const root = await mkdtemp(join(tmpdir(), 'sluice-chaos-usage-'));
const spool = join(root, 'spool');
await mkdir(spool);
const smallDisk = mount();
const alive = setInterval(() => undefined, 60_000);
let server = await EmbeddedPostgres.start({ dataDir: join(root, 'db'), logger });
const url = urlOf(server);
const { upstream, book } = await billingUpstream();

const started = performance.now();
const done = {
  kills: 0,
  crashes: 0,
  outages: 0,
  cutSpools: 0,
  clockSteps: 0,
  diskFull: false,
  answeredWhileFull: 0,
};
const counts: LoadCounts = { answered: new Set(), refused: new Map(), broken: 0 };
const slots: [Slot, Slot] = [{ starts: 0 }, { starts: 1 }];
const stop = new AbortController();
let key = '';
try {
  // The first migrates the database and makes the key.
  await start(slots[0]);
  key = (await slots[0].gateway?.createKey('paid')) ?? '';
  await start(slots[1]);
  const callers = slots.flatMap((slot) =>
    Array.from({ length: Number(args.callers) }, () =>
      callAgain(() => slot.gateway && { url: slot.gateway.url, key }, counts, stop.signal),
    ),
  );
  while (done.kills < kills) {
    await answers(Number(args.answers) / 2);
    stepClock();
    await answers(Number(args.answers) / 2);
    await killOne();
    if (done.crashes < crashes && done.kills >= ((done.crashes + 1) * kills) / (crashes + 1))
      crash();
    if (done.outages < Number(args.outages) && done.kills >= kills / 2) await outage();
  }
  await answers(Number(args.answers));
  stop.abort();
  await Promise.all(callers);
  await Promise.all(slots.map(async ({ gateway }) => gateway?.stop()));
  await drain();
  await report(await verdict());
} finally {
  stop.abort();
  for (const { gateway } of slots) await gateway?.kill();
  await upstream.close();
  await server.stop();
  clearInterval(alive);
  if (smallDisk) execFileSync('umount', [spool]);
  await rm(root, { recursive: true, force: true });
}

interface Slot {
  /** Undefined while it is being replaced. */
  gateway?: GatewayProcess | undefined;
  starts: number;
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

/** Each gateway has a data directory of its own; the spools are side by side, so that each adopts what the other leaves. */
async function start(slot: Slot): Promise<void> {
  const dir = await mkdtemp(join(root, 'gateway-'));
  await mkdir(join(dir, 'data'));
  await symlink(spool, join(dir, 'data', 'spool'));
  const clock = CLOCKS[slot.starts % CLOCKS.length] ?? [0];
  slot.starts += 1;
  slot.gateway = await startGateway({
    dir,
    config: configOf(upstream),
    policies: POLICIES,
    env: {
      DATABASE_URL: url,
      SLUICE_KEY_PEPPER: PEPPER,
      SLUICE_WORKERS: '1',
      // Questions that differ by a number alone must all go upstream.
      ENABLE_SEMANTIC_CACHE: 'false',
      LOG_LEVEL: 'warn',
      NODE_OPTIONS: `--import ${join(import.meta.dirname, 'clock-step.mjs')}`,
      CLOCK_STEPS: clock.join(','),
    },
  });
}

/** Waits until so many more calls are answered. */
async function answers(count: number): Promise<void> {
  const until = counts.answered.size + count;
  while (counts.answered.size < until) await delay(5);
}

function stepClock(): void {
  slots[Math.random() < 0.5 ? 0 : 1].gateway?.signal('SIGUSR2');
  done.clockSteps += 1;
}

async function killOne(): Promise<void> {
  const slot = slots[Math.random() < 0.5 ? 0 : 1];
  const victim = slot.gateway;
  if (victim === undefined) return;
  slot.gateway = undefined;
  await victim.kill();
  await cut(victim.pid);
  done.kills += 1;
  await start(slot);
}

/** Loses any part of the newest segment, synced or not, as no crash does but a broken disk might. */
async function cut(pid: number): Promise<void> {
  for (const name of (await readdir(spool)).filter((each) => each.startsWith(`${pid}-`))) {
    // The other gateway may be taking it over just now.
    const files = await readdir(join(spool, name)).catch(() => []);
    const last = files
      .filter((file) => file.endsWith('.seg'))
      .sort()
      .at(-1);
    if (last === undefined) continue;
    const path = join(spool, name, last);
    try {
      await truncate(path, Math.floor(Math.random() * (await stat(path)).size));
      done.cutSpools += 1;
    } catch {
      // Taken over.
    }
  }
}

/** `pg_ctl stop -m immediate`: no checkpoint, no good-bye. */
function crash(): void {
  if (server.pid === undefined) return;
  process.kill(server.pid, 'SIGQUIT');
  done.crashes += 1;
}

/** No database until the spool's disk is full and calls are refused for it. */
async function outage(): Promise<void> {
  // Both have checked the callers' key lately: it goes on to be good.
  await answers(50);
  await server.stop();
  const deadline = performance.now() + OUTAGE_MS;
  const full = () => slots.some(({ gateway }) => gateway?.output().includes('ENOSPC'));
  while (smallDisk && performance.now() < deadline && !full()) await delay(50);
  const before = counts.answered.size;
  await delay(FULL_DISK_MS);
  done.diskFull ||= full();
  done.answeredWhileFull += counts.answered.size - before;
  server = await EmbeddedPostgres.start({ dataDir: join(root, 'db'), logger });
  done.outages += 1;
}

/** One more gateway, when something is left that nobody has adopted or shipped. */
async function drain(): Promise<void> {
  for (let tries = 0; tries < 5 && (await readdir(spool)).length > 0; tries += 1) {
    const slot: Slot = { starts: 0 };
    await start(slot);
    const left = async () => {
      const names = await readdir(spool, { recursive: true });
      return names.some((name) => /(adopted|closed|taken)-/.test(name));
    };
    while (await left()) await delay(50);
    await slot.gateway?.stop();
  }
}

async function verdict(): Promise<Verdict> {
  const settings = { url, poolMax: 2, dataDir: '', embedded: 'own' } as const;
  const db = await Database.open({ settings, logger });
  try {
    return await judge(db, book, counts.answered);
  } finally {
    await db.close();
  }
}

async function report(found: Verdict): Promise<void> {
  const seconds = Math.round((performance.now() - started) / 1000);
  const left = (await readdir(spool)).length;
  const result = {
    at: new Date().toISOString(),
    seconds,
    smallDisk,
    ...done,
    ...found,
    refused: Object.fromEntries(counts.refused),
    broken: counts.broken,
    left,
  };
  const faults = found.lost + found.twice + found.wrong + found.differences + left;
  process.exitCode = faults === 0 && found.differenceShare <= 0.001 ? 0 : 1;
  console.log(JSON.stringify(result));
  // The short run of the test suite leaves no file behind.
  if (args.name === '') return;
  await mkdir('benchmarks/results', { recursive: true });
  await writeFile(`benchmarks/results/${args.name}.json`, `${JSON.stringify(result, null, 2)}\n`);
}

function urlOf({ address }: EmbeddedPostgres): string {
  const { host, port, user, database: name } = address;
  return `postgresql://${user}@/${name}?host=${encodeURIComponent(host)}&port=${port}`;
}
