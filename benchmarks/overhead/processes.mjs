// Starting servers in processes of their own, and reading what the kernel says they used.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ENVIRONMENT, NODE_ARGUMENTS } from '../../tools/process-settings.mjs';

const CLOCK_TICKS_PER_SECOND = 100;

export async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Starts a script that prints one JSON line `{ready, port}` or `{ready, url}`. */
export async function startScript(script, args, env = {}) {
  const child = spawn(process.execPath, [script, ...args.map(String)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  });
  const ready = await new Promise((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (data) => {
      text += data;
      const line = text.split('\n').find((l) => l.includes('"ready"'));
      if (line !== undefined) resolve(JSON.parse(line));
    });
    child.once('exit', (code) => reject(new Error(`${script} ended with ${code}`)));
  });
  return handle(child, ready.url ?? `http://127.0.0.1:${ready.port}`);
}

/**
 * Starts a gateway built in dist/ with the given YAML texts and environment; waits until it is ready.
 * @param dir data of an earlier start; a fresh directory that `stop()` removes when left out
 */
export async function startGateway({ config, policies, env = {}, nodeArgs = [], dir: kept }) {
  const dir = kept ?? (await mkdtemp(join(tmpdir(), 'sluice-bench-')));
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, 'sluice.yaml'), config);
  await writeFile(join(dir, 'policies.yaml'), policies);
  const port = await freePort();
  const adminKey = `sk-sluice-${'b'.repeat(43)}`;
  const started = performance.now();
  const args = [...NODE_ARGUMENTS, ...nodeArgs];
  const child = spawn(process.execPath, [...args, process.env.ENTRY ?? 'dist/bundle/gateway.js'], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      ...ENVIRONMENT,
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      PORT: String(port),
      SLUICE_CONFIG: join(dir, 'sluice.yaml'),
      SLUICE_POLICIES: join(dir, 'policies.yaml'),
      SLUICE_DATA_DIR: join(dir, 'data'),
      SLUICE_ADMIN_KEY: adminKey,
      LOG_LEVEL: 'warn',
      ...env,
    },
  });
  const url = `http://127.0.0.1:${port}`;
  const exited = new Promise((_, reject) =>
    child.once('exit', (code) => reject(new Error(`the gateway ended with ${code}`))),
  );
  await Promise.race([untilReady(`${url}/health/ready`), exited]);
  exited.catch(() => undefined);
  const server = handle(child, url);
  return {
    ...server,
    adminKey,
    readyMs: performance.now() - started,
    stop: async () => {
      await server.stop();
      if (kept === undefined) await rm(dir, { recursive: true, force: true });
    },
  };
}

async function untilReady(url) {
  for (;;) {
    try {
      const response = await fetch(url);
      await response.arrayBuffer();
      if (response.ok) return;
    } catch {
      // Not listening yet.
    }
    await sleep(5);
  }
}

/** What can be measured of any process that serves `url`. */
export function attach(url, pid) {
  return { url, pid, cpuMs: () => cpuMs(pid), rssMb: () => rssMb(pid) };
}

function handle(child, url) {
  return {
    ...attach(url, child.pid),
    stop: async () => {
      if (child.exitCode !== null) return;
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 15_000);
      await gone;
      clearTimeout(timer);
    },
  };
}

/** User and system time of the process, all threads, in ms. */
function cpuMs(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / CLOCK_TICKS_PER_SECOND;
}

function rssMb(pid) {
  const match = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(match?.[1] ?? 0) / 1024;
}

/** What the gateway's own metrics say of its heap. */
export async function heapMb(server) {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const value = /^nodejs_heap_size_used_bytes(?:\{[^}]*\})? (\S+)/m.exec(text)?.[1];
  if (value === undefined) throw new Error('no nodejs_heap_size_used_bytes in /metrics');
  return Number(value) / 1024 ** 2;
}

/** Answers from the cache and look-ups that found nothing, since the start. */
export async function cacheCounts(server) {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const sum = (name) =>
    [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)`, 'gm'))].reduce(
      (total, [, value]) => total + Number(value),
      0,
    );
  return { hits: sum('sluice_cache_hits_total'), misses: sum('sluice_cache_misses_total') };
}

/** Creates a key of the tier that the policies of these benchmarks name. */
export async function createKey(server) {
  const response = await fetch(`${server.url}/v1/admin/keys`, {
    method: 'POST',
    headers: { authorization: `Bearer ${server.adminKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'bench', tier: 'bench' }),
  });
  if (!response.ok) throw new Error(`no key: ${response.status} ${await response.text()}`);
  return (await response.json()).key;
}
