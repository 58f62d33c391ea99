import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const ROOT = resolve(import.meta.dirname, '../..');
const START_TIMEOUT_MS = 60_000;

export interface GatewayOptions {
  /** Text of sluice.yaml; the sandbox models when left out. */
  readonly config?: string;
  /** Text of policies.yaml; generous tiers when left out. */
  readonly policies?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Keep the data of an earlier gateway. */
  readonly dir?: string;
}

export const SANDBOX_CONFIG = `
providers:
  - { id: sandbox, kind: sandbox }
models:
  - { id: sandbox-small, provider: sandbox, grade: simple, price: { input: 0.15, output: 0.6 }, contextTokens: 128000, maxOutputTokens: 16384, capabilities: [tools, vision, json] }
  - { id: sandbox-medium, provider: sandbox, grade: medium, price: { input: 1, output: 5 }, contextTokens: 200000, maxOutputTokens: 16384, capabilities: [tools, vision, json] }
  - { id: sandbox-large, provider: sandbox, grade: complex, price: { input: 3, output: 15 }, contextTokens: 200000, maxOutputTokens: 16384, capabilities: [tools, vision, json, reasoning] }
  - { id: sandbox-embedding, provider: sandbox, price: { input: 0.02, output: 0 }, contextTokens: 8192, capabilities: [embeddings] }
`;

export const GENEROUS_POLICIES = `
tiers:
  anonymous: { requests: { perHour: 100000, burstPerMinute: 10000 } }
  free: { requests: { perHour: 100, burstPerMinute: 20 }, tokens: { perDay: 50000 }, budget: { monthlyUsd: 5 } }
  paid: { requests: { perHour: 100000, burstPerMinute: 10000 }, priority: 2 }
  admin: { priority: 3 }
`;

/** An openai provider that points at a scripted upstream, with two models of it. */
export function upstreamConfig(url: string, extra = ''): string {
  return `
providers:
  - { id: up, kind: openai, baseUrl: "${url}/v1", auth: none }
models:
  - { id: gpt-test, provider: up, grade: simple, price: { input: 1, output: 2 }, contextTokens: 128000, maxOutputTokens: 16384, capabilities: [tools, vision, json, audio, files, reasoning], retries: 0 }
  - { id: embed-test, provider: up, price: { input: 0.1, output: 0 }, contextTokens: 8192, capabilities: [embeddings] }
${extra}`;
}

export interface GatewayProcess {
  readonly url: string;
  readonly adminKey: string;
  readonly pid: number;
  readonly dir: string;
  /** Everything written to stdout and stderr so far. */
  output(): string;
  /** Creates an API key. */
  createKey(tier: string, fields?: Readonly<Record<string, unknown>>): Promise<string>;
  /** SIGTERM and wait; resolves with the exit code. */
  stop(): Promise<number | null>;
  /** SIGKILL and wait. The data stays. */
  kill(): Promise<void>;
  signal(signal: NodeJS.Signals): void;
  /** Resolves with the exit code when the process has ended. */
  readonly exited: Promise<number | null>;
}

const PORT_ATTEMPTS = 5;

/** A real gateway process on a free port with a data directory of its own; resolves when it is ready. */
export async function startGateway(options: GatewayOptions = {}): Promise<GatewayProcess> {
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'sluice-e2e-')));
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOnce(options, dir);
    } catch (error) {
      // A port that was free a moment ago may by now be the near end of somebody's connection.
      if (attempt === PORT_ATTEMPTS || !String(error).includes('EADDRINUSE')) throw error;
    }
  }
}

async function startOnce(options: GatewayOptions, dir: string): Promise<GatewayProcess> {
  const config = join(dir, 'sluice.yaml');
  const policies = join(dir, 'policies.yaml');
  await writeFile(config, options.config ?? SANDBOX_CONFIG);
  await writeFile(policies, options.policies ?? GENEROUS_POLICIES);
  const port = await freePort();
  const adminKey = `sk-sluice-${'a'.repeat(43)}`;
  const child = spawn(process.execPath, ['dist/bundle/gateway.js'], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      PORT: String(port),
      SLUICE_CONFIG: config,
      SLUICE_POLICIES: policies,
      SLUICE_DATA_DIR: join(dir, 'data'),
      SLUICE_ADMIN_KEY: adminKey,
      LOG_LEVEL: 'debug',
      ...options.env,
    },
  });
  let output = '';
  child.stdout.on('data', (data: Buffer) => (output += data.toString()));
  child.stderr.on('data', (data: Buffer) => (output += data.toString()));
  const exited = new Promise<number | null>((done) => child.once('exit', (code) => done(code)));
  const url = `http://127.0.0.1:${port}`;
  await untilReady(url, child, () => output);
  const pid = child.pid ?? 0;
  return {
    url,
    adminKey,
    pid,
    dir,
    exited,
    output: () => output,
    signal: (signal) => void child.kill(signal),
    createKey: async (tier, fields = {}) => {
      const response = await fetch(`${url}/v1/admin/keys`, {
        method: 'POST',
        headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
        body: JSON.stringify({ name: `test-${tier}`, tier, ...fields }),
      });
      if (!response.ok) throw new Error(`no key: ${response.status} ${await response.text()}`);
      return ((await response.json()) as { key: string }).key;
    },
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
      const code = await exited;
      await rm(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
      return code;
    },
    kill: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

async function untilReady(url: string, child: ChildProcess, output: () => string): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (Date.now() < deadline) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`the gateway ended before it was ready:\n${output()}`);
    }
    try {
      const response = await fetch(`${url}/health/ready`);
      await response.arrayBuffer();
      if (response.ok) return;
    } catch {
      // Not listening yet.
    }
    await sleep(20);
  }
  child.kill('SIGKILL');
  throw new Error(`the gateway was not ready in time:\n${output()}`);
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
