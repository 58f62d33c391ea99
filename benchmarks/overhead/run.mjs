// npm run benchmark:overhead [-- --seconds 4 --calls 400 --only "governed miss" --rate 100 --env ENABLE_X=false]
// Load generator, upstream, forwarder, database and gateway each in a process of its own; CPU from the kernel's
// accounting of the whole gateway process. The two sides take turns, so that a noisy machine troubles both alike.
// Figures of one run are to be compared with one another, not across machines. A full run takes about five minutes.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { closedLoop, openLoop, round, Sample } from './load.mjs';
import { attach, cacheCounts, createKey, heapMb, startGateway, startScript } from './processes.mjs';
import { printRow, printTable, summary } from './report.mjs';
import { bodies, configYaml, policiesYaml, SETTINGS } from './settings.mjs';

const { values: args } = parseArgs({
  options: {
    /** Measured seconds of each load against each side. */
    seconds: { type: 'string', default: '4' },
    /** Calls one after the other over one connection. */
    calls: { type: 'string', default: '300' },
    /** Calls per second of the open loop; 40 % of what was reached at saturation when left out. */
    rate: { type: 'string' },
    only: { type: 'string', multiple: true },
    peer: { type: 'string' },
    'peer-pid': { type: 'string' },
    env: { type: 'string', multiple: true, default: [] },
    name: { type: 'string', default: 'overhead' },
    /** Arguments of node for the gateway, such as --cpu-prof. */
    node: { type: 'string', multiple: true, default: [] },
  },
});
const ROUNDS = 2;
const CONNECTIONS = 64;
const OPEN_SHARE = 0.4;
/** A gateway runs for days: what its compiler does in the first seconds of each setting is not measured. */
const WARM_SECONDS = 4;
const seconds = Number(args.seconds);
const here = (file) => new URL(file, import.meta.url).pathname;
const wanted = SETTINGS.filter(({ name }) => args.only === undefined || args.only.includes(name));
if (wanted.length === 0)
  throw new Error(`--only takes: ${SETTINGS.map(({ name }) => name).join(', ')}`);

const stop = [];
try {
  await run();
} finally {
  for (const end of stop.reverse()) await end();
}

async function run() {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-overhead-'));
  stop.push(() => rm(dir, { recursive: true, force: true }));
  const started = async (...start) => {
    const server = await startScript(...start);
    stop.push(server.stop);
    return server;
  };
  const database = await started(here('database.mjs'), [join(dir, 'database')]);
  const upstream = await started(here('upstream.mjs'), []);
  const forwarder = await started(here('forwarder.mjs'), [upstream.url]);
  const launch = () =>
    startGateway({
      config: configYaml(upstream.url),
      policies: policiesYaml,
      dir: join(dir, 'gateway'),
      env: {
        DATABASE_URL: database.url,
        ...Object.fromEntries(args.env.map((pair) => pair.split('='))),
      },
      nodeArgs: args.node,
    });
  const first = await launch();
  await first.stop();
  const gateway = await launch();
  stop.push(gateway.stop);
  const start = { firstMs: round(first.readyMs), laterMs: round(gateway.readyMs) };
  const headers = { authorization: `Bearer ${await createKey(gateway)}` };
  const idle = await memory(gateway);
  console.log('start', start, 'idle', idle);

  const rows = [];
  for (const setting of wanted) {
    const sides = sidesOf(setting, { forwarder, gateway, upstream, headers });
    // The forwarder answers /static with what it forwarded last: the same bytes as a hit.
    if (setting.yardstick === 'static') {
      const fill = { path: '/v1/chat/completions', body: bodies.fixed };
      await closedLoop(forwarder, fill, { connections: 1, calls: 1 });
    }
    const before = await cacheCounts(gateway);
    const row = { setting: setting.name, ...(await measure(setting, sides)) };
    const hitShare = shareOfHits(before, await cacheCounts(gateway));
    // A setting that measures something else than it says is worse than none.
    if (hitShare !== null && Math.abs(hitShare - (setting.hits ? 1 : 0)) > 0.02)
      console.log(`${setting.name}: ${round(hitShare * 100)} % hits, not what it is to measure`);
    rows.push({ ...row, hitShare, ...summary(row) });
    printRow(rows.at(-1));
  }
  const load = await memory(gateway);
  printTable(rows);
  console.log('after load', load);
  const result = { at: new Date().toISOString(), node: process.version, seconds, env: args.env };
  await mkdir('benchmarks/results', { recursive: true });
  const file = `benchmarks/results/${args.name}.json`;
  const json = JSON.stringify({ ...result, start, idle, load, rows }, null, 2);
  await writeFile(file, `${json}\n`);
  console.log(`written to ${file}`);
}

/** Null where the cache is off. */
function shareOfHits(before, after) {
  const [hits, misses] = [after.hits - before.hits, after.misses - before.misses];
  return hits + misses === 0 ? null : round(hits / (hits + misses), 4);
}

/** Who is asked, and how: the bare yardstick, the gateway, and a peer where one runs and can do the same. */
function sidesOf({ path, body, headers: extra, peer }, { forwarder, gateway, upstream, headers }) {
  const sides = {
    bare: { server: forwarder, target: { path, body } },
    ours: {
      server: gateway,
      target: { path: '/v1/chat/completions', body, headers: { ...headers, ...extra } },
    },
  };
  if (args.peer === undefined || peer !== true) return sides;
  const asPortkey = {
    'x-portkey-provider': 'openai',
    'x-portkey-custom-host': `${upstream.url}/v1`,
    authorization: 'Bearer bench',
  };
  const server = attach(args.peer, Number(args['peer-pid']));
  return { ...sides, peer: { server, target: { path, body, headers: asPortkey } } };
}

async function measure({ rate }, sides) {
  await forEachSide(sides, ({ server, target }) =>
    closedLoop(server, target, { connections: CONNECTIONS, seconds: WARM_SECONDS }),
  );
  if (rate !== undefined) {
    const open = { connections: CONNECTIONS, rate: Number(args.rate ?? rate) };
    return { open: { rate: open.rate, ...(await inTurns(sides, openLoop, open)) } };
  }
  const one = await inTurns(sides, closedLoop, {
    connections: 1,
    calls: Math.ceil(Number(args.calls) / ROUNDS),
  });
  const many = await inTurns(sides, closedLoop, { connections: CONNECTIONS });
  const open = {
    connections: CONNECTIONS,
    rate: Number(args.rate ?? Math.max(10, Math.floor(many.ours.perSecond * OPEN_SHARE))),
  };
  const atRate = await inTurns(sides, openLoop, open);
  return { one, many, open: { rate: open.rate, ...atRate } };
}

/** The same load against each side, turn by turn. */
async function inTurns(sides, loop, options) {
  const samples = Object.fromEntries(Object.keys(sides).map((name) => [name, new Sample()]));
  const load = options.calls === undefined ? { ...options, seconds: seconds / ROUNDS } : options;
  for (let i = 0; i < ROUNDS; i++) {
    await forEachSide(sides, ({ server, target }, name) =>
      loop(server, target, load, samples[name]),
    );
  }
  return Object.fromEntries(
    Object.entries(samples).map(([name, sample]) => [name, sample.summary()]),
  );
}

async function forEachSide(sides, work) {
  for (const [name, side] of Object.entries(sides)) await work(side, name);
}

async function memory(server) {
  return { rssMb: round(server.rssMb()), heapMb: round(await heapMb(server), 1) };
}
