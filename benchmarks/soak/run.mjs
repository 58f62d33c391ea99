// npm run benchmark:soak [-- --minutes 30 --rate 100]
// Half of what the gateway can take, for half an hour: new questions, repeated ones, streams, and callers who leave
// in the middle of a stream. Tells whether memory grows (a line through RSS after the warm-up, and one through the
// least heap of each minute) and whether sockets and timers go back to what they were before.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { readdirSync, readlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { closedLoop, openLoop, round, Sample } from '../overhead/load.mjs';
import { createKey, startGateway, startScript } from '../overhead/processes.mjs';
import { bodies, configYaml, policiesYaml } from '../overhead/settings.mjs';
import { leastOfEach, line } from './line.mjs';

const { values: args } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    /** Calls per second; half of what a short closed loop reaches when left out. */
    rate: { type: 'string' },
    /** Arguments of node for the gateway. */
    node: { type: 'string', multiple: true, default: [] },
    out: { type: 'string', default: 'benchmarks/results/soak.json' },
  },
});
const MAX_MINUTES = 240;
const minutes = Math.min(MAX_MINUTES, Number(args.minutes));
if (!(minutes > 0)) throw new Error('--minutes takes a number above 0');
const CONNECTIONS = 32;
const CALIBRATION_SECONDS = Math.min(10, minutes * 6);
/** Caches and pools fill, code is optimised: growth in the first third says nothing. */
const WARM_UP_SHARE = 1 / 3;
const SAMPLE_MS = Math.min(2000, minutes * 1000);
const BASELINE_SECONDS = 5;
/** Kept connections to the upstream close by themselves within this. */
const SETTLE_MS = 90_000;
/** Full before the warm-up ends: a cache that is still filling grows as it should, and would hide what leaks. */
const SMALL_CACHES =
  'cache: { l1: { maxEntries: 1000, maxBytes: 8mb }, l2: { maxBytes: 16mb }, semantic: { maxEntries: 2000 } }\n';
const overhead = (file) => new URL(`../overhead/${file}`, import.meta.url).pathname;

/** Ten kinds of calls, one after the other: five new, two repeated, two streams to their end, one that is left. */
const MIX = [
  { body: bodies.unique },
  { body: bodies.stream },
  { body: bodies.unique },
  { body: bodies.fixed },
  { body: bodies.unique },
  { body: bodies.left, leave: true },
  { body: bodies.unique },
  { body: bodies.stream },
  { body: bodies.unique },
  { body: bodies.fixed },
];

const stop = [];
try {
  process.exitCode = (await run()) ? 0 : 1;
} finally {
  for (const end of stop.reverse()) await end();
}

async function run() {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-soak-'));
  stop.push(() => rm(dir, { recursive: true, force: true }));
  const database = await startScript(overhead('database.mjs'), [join(dir, 'database')]);
  stop.push(database.stop);
  const upstream = await startScript(overhead('upstream.mjs'), []);
  stop.push(upstream.stop);
  const gateway = await startGateway({
    config: configYaml(upstream.url) + SMALL_CACHES,
    policies: policiesYaml,
    env: { DATABASE_URL: database.url },
    nodeArgs: args.node,
  });
  stop.push(gateway.stop);
  const headers = { authorization: `Bearer ${await createKey(gateway)}` };
  const target = mixed(headers);

  const calibration = { connections: CONNECTIONS, seconds: CALIBRATION_SECONDS };
  const saturation = (await closedLoop(gateway, target, calibration)).summary().perSecond;
  const rate = Number(args.rate ?? Math.max(10, Math.floor(saturation / 2)));
  // After the calibration: pools are open and timers run, and what is above them later has leaked.
  const before = await baseline(gateway);
  console.log(`saturation ${saturation}/s, soaking at ${rate}/s for ${minutes} minutes`);

  const samples = [];
  const watching = watch(gateway, samples);
  const sample = new Sample();
  const load = { connections: CONNECTIONS, seconds: minutes * 60, rate };
  await openLoop(gateway, target, load, sample);
  await watching.end();
  const after = await settled(gateway, before);

  const warm = samples.filter(({ hour }) => hour * 60 >= minutes * WARM_UP_SHARE);
  const result = {
    at: new Date().toISOString(),
    node: process.version,
    minutes,
    rate,
    saturation,
    load: sample.summary(),
    rss: { ...line(warm, 'rssMb'), ...extremes(warm, 'rssMb') },
    leastHeap: line(leastOfEach(warm, 1 / 60, 'heapMb'), 'heapMb'),
    heap: extremes(warm, 'heapMb'),
    before,
    after,
    samples: thinned(samples, 200),
  };
  report(result);
  await mkdir(dirname(args.out), { recursive: true });
  await writeFile(args.out, `${JSON.stringify(result, null, 2)}\n`);
  console.log(`written to ${args.out}`);
  return sample.errors === 0 && after.settled;
}

function mixed(headers) {
  let next = -1;
  return {
    path: '/v1/chat/completions',
    headers,
    body: () => {
      next = (next + 1) % MIX.length;
      return MIX[next].body();
    },
    // Asked right after the body of the same call.
    leave: () => MIX[next].leave === true,
  };
}

/** Reads memory and handles until `end()`. */
function watch(gateway, samples) {
  const start = performance.now();
  const ending = new AbortController();
  const done = (async () => {
    while (!ending.signal.aborted) {
      const state = await stateOf(gateway);
      samples.push({ hour: (performance.now() - start) / 3_600_000, ...state });
      await sleep(SAMPLE_MS, undefined, { signal: ending.signal }).catch(() => undefined);
    }
  })();
  return {
    end: () => {
      ending.abort();
      return done;
    },
  };
}

async function stateOf(gateway) {
  const metrics = await (await fetch(`${gateway.url}/debug/metrics`)).json();
  const values = (name) => metrics.find((metric) => metric.name === name)?.values ?? [];
  const timers = values('nodejs_active_resources').find((v) => v.labels.type === 'Timeout');
  const [heap] = values('nodejs_heap_size_used_bytes');
  return {
    rssMb: round(gateway.rssMb(), 2),
    heapMb: round((heap?.value ?? NaN) / 1024 ** 2, 2),
    sockets: sockets(gateway.pid),
    timers: timers?.value ?? 0,
  };
}

function sockets(pid) {
  return readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith('socket:');
    } catch {
      return false; // Closed meanwhile.
    }
  }).length;
}

/** What there is when nobody calls: the most of some seconds, as what runs now and then has a timer or a connection then. */
async function baseline(gateway) {
  let last;
  let most = await stateOf(gateway);
  do {
    last = most;
    await sleep(1000);
    most = await stateOf(gateway);
  } while (most.sockets < last.sockets || most.timers < last.timers);
  for (let second = 0; second < BASELINE_SECONDS; second++) {
    await sleep(1000);
    most = higher(most, await stateOf(gateway));
  }
  return most;
}

function higher(a, b) {
  return {
    ...b,
    sockets: Math.max(a.sockets, b.sockets),
    timers: Math.max(a.timers, b.timers),
  };
}

/** Waits until sockets and timers are not above `before`. */
async function settled(gateway, before) {
  const deadline = performance.now() + SETTLE_MS;
  for (;;) {
    const now = await stateOf(gateway);
    const isBack = now.sockets <= before.sockets && now.timers <= before.timers;
    if (isBack || performance.now() > deadline) return { ...now, settled: isBack };
    await sleep(1000);
  }
}

function extremes(samples, field) {
  const values = samples.map((sample) => sample[field]);
  return { least: Math.min(...values), most: Math.max(...values), last: values.at(-1) };
}

function thinned(samples, most) {
  const step = Math.ceil(samples.length / most);
  return samples.filter((_, i) => i % step === 0);
}

function report({ load, rss, leastHeap, heap, before, after }) {
  console.log(
    `${load.calls} calls, ${load.errors} errors, p50 ${load.p50} ms, p99 ${load.p99} ms, ${load.cpuMicros} µs CPU per call`,
  );
  const slope = ({ perHour, error }) => `${perHour} ± ${error} MB/h`;
  console.table({
    RSS: { 'after warm-up, MB': `${rss.least} to ${rss.most}`, slope: slope(rss) },
    'least heap of each minute': {
      'after warm-up, MB': `${heap.least} to ${heap.most}`,
      slope: slope(leastHeap),
    },
  });
  console.table({
    sockets: { before: before.sockets, after: after.sockets },
    timers: { before: before.timers, after: after.timers },
  });
  console.log(after.settled ? 'sockets and timers are back' : 'SOCKETS OR TIMERS ARE LEFT');
}
