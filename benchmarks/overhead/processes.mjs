// Starting servers in processes of their own, and reading what the kernel says they used.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const CLOCK_TICKS_PER_SECOND = 100;

export async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Starts a script that prints one JSON line `{ready, port}`. */
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
  return handle(child, `http://127.0.0.1:${ready.port}`);
}

/** Starts a gateway built in dist/ with the given YAML texts and environment; waits until it is ready. */
export async function startGateway({ config, policies, env = {}, nodeArgs = [] }) {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-bench-'));
  await writeFile(join(dir, 'sluice.yaml'), config);
  await writeFile(join(dir, 'policies.yaml'), policies);
  const port = await freePort();
  const adminKey = `sk-sluice-${'b'.repeat(43)}`;
  const started = performance.now();
  const child = spawn(process.execPath, [...nodeArgs, 'dist/apps/gateway/src/main.js'], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      PORT: String(port),
      SLUICE_CONFIG: join(dir, 'sluice.yaml'),
      SLUICE_POLICIES: join(dir, 'policies.yaml'),
      SLUICE_DATA_DIR: join(dir, 'data'),
      SLUICE_ADMIN_KEY: adminKey,
      LOG_LEVEL: 'warn',
      ...(process.env.DATABASE_URL ? { DATABASE_URL: process.env.DATABASE_URL } : {}),
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
      await rm(dir, { recursive: true, force: true });
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
    await sleep(20);
  }
}

function handle(child, url) {
  return {
    url,
    pid: child.pid,
    cpuMs: () => cpuMs(child.pid),
    rssMb: () => rssMb(child.pid),
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
export function cpuMs(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / CLOCK_TICKS_PER_SECOND;
}

export function rssMb(pid) {
  const match = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(match?.[1] ?? 0) / 1024;
}
