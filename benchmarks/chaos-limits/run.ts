// npm run chaos:limits [-- --seconds 30 --streams 1000 --budget 1 --every 1000 --no-redis --hurry]
// Three gateway processes over one Redis and one Postgres stream to many callers on one budget, and are killed
// (SIGKILL) one after the other, each started again. The provider is a process of its own and keeps the true ledger.
// Afterwards, on every scope: truth ≤ recorded ≤ limit, nothing held within 60 s, every alert exactly once; and nobody
// was refused while truth and what was really in flight were below nine tenths of every limit.
// --hurry ends the leases of the dead at once instead of waiting for them.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { json } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Database } from '@sluice/database';
import { SilentLogger } from '@sluice/observability';
import { LiveRedisConnection } from '@sluice/redis';
import { startFleet, type GatewayFleet } from '../../test/gateway/gateway-fleet.js';
import type { GatewayProcess } from '../../test/gateway/gateway-process.js';
import {
  CROWD,
  PROMPT_TOKENS,
  billed,
  fallsUnder,
  gatewayConfig,
  policies,
  type BilledCall,
} from './books.js';
import { Load, type Refusal } from './load.js';

const { values: args } = parseArgs({
  options: {
    seconds: { type: 'string', default: '30' },
    streams: { type: 'string', default: '1000' },
    budget: { type: 'string', default: '1' },
    every: { type: 'string', default: '1000' },
    output: { type: 'string', default: '300' },
    answer: { type: 'string', default: '5000' },
    processes: { type: 'string', default: '3' },
    'no-redis': { type: 'boolean', default: false },
    hurry: { type: 'boolean', default: false },
    name: { type: 'string', default: 'chaos-limits' },
  },
});
const budget = Number(args.budget);
const withRedis = !args['no-redis'];
const THRESHOLDS = [0.5, 0.75, 0.9, 0.95];
const HELD_AFTER_MS = 60_000;
const LIMIT_REACHED_MS = 45_000;
const FALSE_BELOW = 0.9;

interface LimitJson {
  readonly scope: string;
  readonly unit: string;
  readonly period: string;
  readonly limit: number;
  readonly spent: number;
  readonly reserved: number;
}

const root = fileURLToPath(new URL('../../', import.meta.url));
const upstream = spawn(
  process.execPath,
  [
    ...['--import', './tools/typescript.mjs', 'benchmarks/chaos-limits/upstream.ts'],
    ...[String(PROMPT_TOKENS), args.answer],
  ],
  { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] },
);
const upstreamUrl = String((await once(upstream.stdout, 'data'))[0]).trim();
const delivered: string[] = [];
const receiver = createServer((request, response) => {
  void json(request).then((event) => {
    // The path monitor tells the same receiver that calls are slow.
    const { type } = event as { type: string };
    if (type === 'budget.alert') delivered.push(String(request.headers['webhook-id']));
    response.end();
  });
}).listen(0, '127.0.0.1');
await once(receiver, 'listening');
const webhook = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`;

let fleet: GatewayFleet | undefined;
try {
  fleet = await startFleet({
    size: Number(args.processes),
    redis: withRedis,
    config: gatewayConfig(upstreamUrl),
    policies: policies({ system: budget }, webhook),
    env: {
      ENABLE_RESPONSE_CACHE: 'false',
      ENABLE_SEMANTIC_CACHE: 'false',
      ENABLE_COALESCING: 'false',
    },
  });
  process.exitCode = await run(fleet);
} finally {
  await fleet?.stop();
  upstream.kill('SIGKILL');
  receiver.close();
}

async function run(gateways: GatewayFleet): Promise<number> {
  const [first] = gateways.gateways;
  if (first === undefined) throw new Error('no gateway');
  const callers = await Promise.all(
    ['small', ...Array.from({ length: CROWD }, (_, i) => `c${i}`)].map(async (name) => ({
      name,
      key: await first.createKey(name === 'small' ? 'small' : 'crowd', { owner: name }),
    })),
  );
  const dead = new Set<GatewayProcess>();
  const load = new Load({
    lanes: Number(args.streams),
    urls: () => gateways.gateways.filter((g) => !dead.has(g)).map((g) => g.url),
    callers,
    maxTokens: Number(args.output),
  });
  const kills = await killOneAfterTheOther(gateways, dead);
  // A slow machine has not reached the limit by then.
  const patience = performance.now() + LIMIT_REACHED_MS;
  while (load.refusals.length === 0 && performance.now() < patience) await sleep(100);
  await load.stop();
  if (args.hurry) await endLeases(gateways.redis.url);
  const stopped = performance.now();
  let standings = await standingsOf(gateways, callers);
  const late = () => performance.now() - stopped >= HELD_AFTER_MS;
  while (standings.some((limit) => limit.reserved > 0) && !late()) {
    await sleep(250);
    standings = await standingsOf(gateways, callers);
  }
  const heldMs = Math.round(performance.now() - stopped);
  const { calls } = (await (await fetch(`${upstreamUrl}/ledger`)).json()) as {
    calls: BilledCall[];
  };
  const alerts = await alertsOf(gateways.databaseUrl);
  // What died on its way to the webhook is sent again after half a minute.
  while (!args.hurry && new Set(delivered).size < alerts.length && !late()) await sleep(250);
  const books = standings.map((limit) => bookOf(limit, calls, alerts));
  const early = earlyRefusals(load, calls, standings);
  return report({ gateways, load, kills, heldMs, calls, books, early, alerts });
}

/** Kills a gateway that serves, each `--every` ms; while none does, waits for one. */
async function killOneAfterTheOther(
  gateways: GatewayFleet,
  dead: Set<GatewayProcess>,
): Promise<number> {
  const until = performance.now() + Number(args.seconds) * 1000;
  const restarts: Promise<unknown>[] = [];
  let kills = 0;
  let turn = 0;
  while (performance.now() < until) {
    await sleep(Number(args.every));
    const size = gateways.gateways.length;
    const index = Array.from({ length: size }, (_, i) => (turn + i) % size).find((i) => {
      const gateway = gateways.gateways[i];
      return gateway !== undefined && !dead.has(gateway);
    });
    if (index === undefined) continue;
    turn = index + 1;
    const victim = gateways.gateways[index];
    if (victim === undefined) continue;
    dead.add(victim);
    await victim.kill();
    kills++;
    restarts.push(gateways.restart(index));
  }
  await Promise.all(restarts);
  return kills;
}

/** Lets the leases of the dead run out now. Only when no call is under way. */
async function endLeases(url: string): Promise<void> {
  const redis = new LiveRedisConnection({ url, commandTimeoutMs: 2000 }, new SilentLogger());
  await redis.ready(3000);
  const leases = 'sluice:{spend}:leases';
  const ids = await redis.command<string[]>(['ZRANGE', leases, '0', '-1']);
  for (const id of ids) await redis.command(['ZADD', leases, 'XX', '1', id]);
  await redis.close();
}

/** What the gateways themselves say: the named limits, and each caller's own. */
async function standingsOf(
  { gateways }: GatewayFleet,
  callers: readonly { readonly name: string; readonly key: string }[],
): Promise<readonly LimitJson[]> {
  const [gateway] = gateways;
  const get = async (path: string, key = gateway?.adminKey) => {
    const response = await fetch(`${gateway?.url}${path}`, {
      headers: { authorization: `Bearer ${key}` },
    });
    return (await response.json()) as Record<string, readonly LimitJson[]>;
  };
  const named = (await get('/v1/admin/budgets')).budgets ?? [];
  const own = await Promise.all(
    callers.map(async ({ key }) => (await get('/v1/usage', key)).limits ?? []),
  );
  return [...named, ...own.flat()];
}

interface Alert {
  readonly id: string;
  readonly scope: string;
  readonly unit: string;
  readonly period: string;
  readonly threshold: number;
  /** What was spent when it fired, and of how much. */
  readonly spent: number;
  readonly limit: number;
}

async function alertsOf(url: string): Promise<readonly Alert[]> {
  const database = await Database.open({
    settings: { url, poolMax: 1, dataDir: '', embedded: 'join' },
    logger: new SilentLogger(),
  });
  const sql = `SELECT id, scope, unit, period, threshold::float8 AS threshold, spent::float8 AS spent,
    limit_amount::float8 AS limit FROM budget_alerts`;
  const { rows } = await database.requests.query<Alert>(sql);
  await database.close();
  return rows.map((row) => ({ ...row, unit: row.unit === 'micro_usd' ? 'usd' : row.unit }));
}

interface Book extends LimitJson {
  readonly truth: number;
  readonly overPercent: number;
  /** Thresholds that were reached without exactly one alert, or had one that did not reach them. */
  readonly wrongAlerts: readonly number[];
}

function bookOf(limit: LimitJson, calls: readonly BilledCall[], alerts: readonly Alert[]): Book {
  let truth = 0;
  for (const call of calls) if (fallsUnder(call, limit.scope)) truth += billed(call, limit.unit);
  // Sums of dollars in floating point: to the micro-dollar.
  truth = Math.round(truth * 1e6) / 1e6;
  const wrongAlerts = THRESHOLDS.filter((threshold) => {
    const fired = alerts.filter(
      (alert) =>
        alert.scope === limit.scope &&
        alert.unit === limit.unit &&
        alert.period === limit.period &&
        alert.threshold === threshold,
    );
    // What is recorded may come down again, when a late settlement corrects an estimate: then the alert was right all the same.
    if (fired.some((alert) => alert.spent < threshold * alert.limit)) return true;
    return limit.spent >= threshold * limit.limit ? fired.length !== 1 : fired.length > 1;
  });
  const overPercent = Math.round(((limit.spent - truth) / limit.limit) * 1000) / 10;
  return { ...limit, truth, overPercent, wrongAlerts };
}

/** Refusals while every limit had a tenth left, had all that was sent by then been billed. */
function earlyRefusals(
  load: Load,
  calls: readonly BilledCall[],
  limits: readonly LimitJson[],
): readonly Refusal[] {
  const sent = calls
    .map((call) => ({ call, at: load.sentAt.get(call[0]) ?? 0 }))
    .sort((a, b) => a.at - b.at);
  const reached = limits.map((limit) => {
    let sum = 0;
    const step = sent.find(({ call }) => {
      if (fallsUnder(call, limit.scope)) sum += billed(call, limit.unit);
      return sum >= FALSE_BELOW * limit.limit;
    });
    return step?.at ?? Infinity;
  });
  return load.refusals.filter(({ at, caller }) => {
    const mine = limits.map(({ scope }, i) => {
      const binds = fallsUnder([`${caller}/`, 0, 0], scope);
      return binds ? (reached[i] ?? Infinity) : Infinity;
    });
    return at < Math.min(...mine);
  });
}

/** What the gateways wrote to their logs, by message. */
function complaints({ gateways }: GatewayFleet): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const line of gateways.flatMap((gateway) => gateway.output().split('\n'))) {
    if (!line.startsWith('{')) continue;
    const { msg, err } = JSON.parse(line) as { msg?: string; err?: { message?: string } };
    const text = `${msg ?? ''}: ${err?.message ?? ''}`.slice(0, 160);
    counts[text] = (counts[text] ?? 0) + 1;
  }
  return counts;
}

async function report(found: {
  readonly gateways: GatewayFleet;
  readonly load: Load;
  readonly kills: number;
  readonly heldMs: number;
  readonly calls: readonly BilledCall[];
  readonly books: readonly Book[];
  readonly early: readonly Refusal[];
  readonly alerts: readonly Alert[];
}): Promise<number> {
  const { gateways, load, kills, heldMs, calls, books, early, alerts } = found;
  const refused: Record<string, number> = {};
  for (const { status, code } of load.refusals) {
    refused[`${status} ${code}`] = (refused[`${status} ${code}`] ?? 0) + 1;
  }
  const system = books.find((book) => book.scope === 'system' && book.unit === 'usd');
  const run = {
    seconds: Number(args.seconds),
    redis: withRedis,
    streamsAtOnce: load.peak,
    kills,
    billedCalls: calls.length,
    completed: load.completed,
    brokenByKills: load.broken,
    unreachable: load.unreachable,
    failedStreams: load.failed,
    refused,
    refusedEarly: early.length,
    heldForMs: heldMs,
    alerts: alerts.length,
    webhooks: new Set(delivered).size,
  };
  console.log(run);
  console.table(
    books
      .filter((book) => !book.scope.startsWith('caller:default/c') || book.wrongAlerts.length > 0)
      .map(({ scope, unit, period, truth, spent, limit, reserved, overPercent }) => ({
        ...{ scope, unit, period, truth, recorded: spent, limit, held: reserved, overPercent },
      })),
  );
  const EPSILON = 5e-7;
  const failures = [
    ...books.flatMap((book) => {
      const name = `${book.scope} ${book.unit} ${book.period}`;
      return [
        book.truth > book.spent + EPSILON && `${name}: truth ${book.truth} > ${book.spent}`,
        book.spent > book.limit + EPSILON && `${name}: recorded ${book.spent} > ${book.limit}`,
        book.reserved !== 0 && `${name}: ${book.reserved} is held`,
        book.wrongAlerts.length > 0 && `${name}: alerts at ${book.wrongAlerts.join(', ')}`,
      ];
    }),
    early.length > 0 && `${early.length} were refused early: ${JSON.stringify(early[0])}`,
    (system?.spent ?? 0) < 0.9 * budget && 'the limit was not reached',
    !args.hurry && new Set(delivered).size !== alerts.length && 'an alert was not delivered',
  ].filter((failure) => typeof failure === 'string');
  const results = new URL('../results/', import.meta.url);
  await mkdir(results, { recursive: true });
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version };
  const scopes = books.map(({ wrongAlerts, ...book }) => ({ ...book, wrongAlerts }));
  const json = { at: new Date().toISOString(), machine, run, failures, scopes };
  await writeFile(new URL(`${args.name}.json`, results), `${JSON.stringify(json, null, 2)}\n`);
  for (const failure of failures) console.error(`FAILED: ${failure}`);
  if (failures.length > 0) console.error(complaints(gateways));
  return failures.length === 0 ? 0 : 1;
}
