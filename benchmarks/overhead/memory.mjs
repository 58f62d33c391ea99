// npm run benchmark:memory: RSS and heap of a gateway with an external database, idle and after load, under the
// settings of V8 and malloc that matter, each in a process of its own, one after the other.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { closedLoop, round, Sample } from './load.mjs';
import { createKey, heapMb, startGateway, startScript } from './processes.mjs';
import { bodies, configYaml, policiesYaml } from './settings.mjs';

const { values: args } = parseArgs({ options: { calls: { type: 'string', default: '2000' } } });
const IDLE_MS = 2000;
/** One database, several data directories. */
const PEPPER = 'p'.repeat(43);
/** V8's own settings, as the last of two equal arguments counts; and what glibc does on most machines. */
const DEFAULTS = {
  env: { MALLOC_ARENA_MAX: '16' },
  nodeArgs: ['--min-semi-space-size=0', '--max-semi-space-size=16', '--heap-growing-percent=0'],
};
const VARIANTS = {
  // Migrates the database, so that those after it start alike.
  'first start': {},
  'defaults of node and malloc': DEFAULTS,
  '2 arenas': { ...DEFAULTS, env: {} },
  'semi-space 4 MB': { nodeArgs: ['--min-semi-space-size=0', '--max-semi-space-size=4'] },
  'semi-space 32 MB': { nodeArgs: ['--max-semi-space-size=32'] },
  'semi-space from 1 to 16 MB': { nodeArgs: ['--min-semi-space-size=0'] },
  'as shipped (tools/process-settings.mjs)': {},
  'defaults again': DEFAULTS,
};

const here = (file) => new URL(file, import.meta.url).pathname;
const dir = await mkdtemp(join(tmpdir(), 'sluice-memory-'));
const database = await startScript(here('database.mjs'), [join(dir, 'database')]);
const upstream = await startScript(here('upstream.mjs'), []);
const rows = [];
try {
  for (const [variant, settings] of Object.entries(VARIANTS))
    rows.push({ variant, ...(await measure(settings)) });
  console.table(rows);
} finally {
  await upstream.stop();
  await database.stop();
  await rm(dir, { recursive: true, force: true });
}

async function measure({ env = {}, nodeArgs = [] }) {
  // A full cache takes memory: each variant begins with an empty one.
  const data = await mkdtemp(join(dir, 'gateway-'));
  const gateway = await startGateway({
    config: configYaml(upstream.url),
    policies: policiesYaml,
    dir: data,
    env: { DATABASE_URL: database.url, SLUICE_KEY_PEPPER: PEPPER, ...env },
    nodeArgs,
  });
  try {
    await sleep(IDLE_MS);
    const idle = await memory(gateway);
    const headers = { authorization: `Bearer ${await createKey(gateway)}` };
    const load = { connections: 16, calls: Number(args.calls) / 2 };
    const sample = new Sample();
    for (const body of [bodies.unique, bodies.stream])
      await closedLoop(gateway, { path: '/v1/chat/completions', headers, body }, load, sample);
    return {
      'ready ms': round(gateway.readyMs),
      'idle RSS / heap MB': idle,
      'loaded RSS / heap MB': await memory(gateway),
      'CPU µs per call': sample.summary().cpuMicros,
    };
  } finally {
    await gateway.stop();
  }
}

async function memory(gateway) {
  return `${round(gateway.rssMb())} / ${round(await heapMb(gateway))}`;
}
