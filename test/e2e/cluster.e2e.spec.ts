import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { startGateway, type GatewayProcess } from '../gateway/gateway-process.js';
import { callSeparately, type Answer } from '../gateway/separate-call.js';

const POLICIES = `
tiers:
  anonymous: { requests: { perHour: 20, burstPerMinute: 20 } }
  paid: { requests: unlimited }
  counted: { requests: unlimited }
  hourly: { requests: { perHour: 20 } }
  tight: { requests: unlimited, tokens: { perDay: 1000 } }
  admin: { priority: 3 }
`;

// Three processes and a database start in each test, on a machine that does other things too.
jest.setTimeout(120_000);

/** Two workers that have both answered. */
async function twoWorkers(): Promise<GatewayProcess> {
  const gateway = await startGateway({ policies: POLICIES, env: { SLUICE_WORKERS: '2' } });
  await until(async () => {
    await callSeparately(gateway.url, { path: '/v1/models' });
    return servingPids(gateway).length === 2;
  });
  return gateway;
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (Date.now() < deadline) {
    if (await holds()) return;
    await sleep(20);
  }
  throw new Error('what was waited for did not happen within 60 s');
}

function logLines(gateway: GatewayProcess): Record<string, any>[] {
  return gateway
    .output()
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line) as Record<string, any>);
}

const workerPids = (gateway: GatewayProcess): number[] =>
  logLines(gateway)
    .filter((line) => line.msg === 'worker started')
    .map((line) => Number(line.worker_pid));

/** The processes that have answered something. */
function servingPids(gateway: GatewayProcess): number[] {
  const lines = logLines(gateway).filter((line) => line.msg === 'request');
  return [...new Set(lines.map((line) => Number(line.pid)))];
}

const chat = (content: string, extra: object = {}): object => ({
  model: 'sandbox-small',
  max_tokens: 60,
  messages: [{ role: 'user', content }],
  ...extra,
});

let serial = 0;
const ask = (
  gateway: GatewayProcess,
  key: string,
  content = `question ${serial++}`,
): Promise<Answer> =>
  callSeparately(gateway.url, { path: '/v1/chat/completions', body: chat(content), key });

async function metric(gateway: GatewayProcess, pattern: RegExp): Promise<number> {
  const { text } = await callSeparately(gateway.url, { path: '/metrics' });
  return Number(pattern.exec(text)?.[1] ?? 0);
}

/** Calls of all workers, by the metrics of whichever is asked. */
const answered = (gateway: GatewayProcess): Promise<number> =>
  metric(gateway, /sluice_requests_total\{route="\/v1\/chat\/completions",status="200"\} (\d+)/);

/** Calls of a tier that are written down for good. */
async function usageOf(gateway: GatewayProcess, tier: string): Promise<number | undefined> {
  const path = '/v1/admin/usage?group_by=tier';
  const { text } = await callSeparately(gateway.url, { path, key: gateway.adminKey });
  const { data } = JSON.parse(text) as { data: { tier: string; calls: number }[] };
  return data.find((row) => row.tier === tier)?.calls;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('several workers', () => {
  let gateway: GatewayProcess;
  beforeAll(async () => {
    gateway = await twoWorkers();
  });
  afterAll(() => gateway.stop());

  it('count requests together: the limit holds to the last one', async () => {
    const key = await gateway.createKey('hourly');
    const answers = await Promise.all(Array.from({ length: 60 }, () => ask(gateway, key)));
    expect(answers.filter((a) => a.status === 200)).toHaveLength(20);
    expect(answers.filter((a) => a.status === 429)).toHaveLength(40);
    expect(servingPids(gateway)).toHaveLength(2);
  });

  it('spend one budget of tokens: no further than the limit, and as far as a call still fits', async () => {
    const key = await gateway.createKey('tight');
    let used = 0;
    let dearest = 0;
    for (let refused = false; !refused;) {
      const answers = await Promise.all(Array.from({ length: 4 }, () => ask(gateway, key)));
      for (const { status, text } of answers) {
        if (status !== 200) {
          expect(status).toBe(429);
          refused = true;
          continue;
        }
        const { usage } = JSON.parse(text) as { usage: { total_tokens: number } };
        used += usage.total_tokens;
        dearest = Math.max(dearest, usage.total_tokens);
      }
    }
    expect(used).toBeLessThanOrEqual(1000);
    // What was held by calls beside the refused one has come back.
    let last = await ask(gateway, key);
    while (last.status === 200) {
      used += (JSON.parse(last.text) as { usage: { total_tokens: number } }).usage.total_tokens;
      last = await ask(gateway, key);
    }
    expect(used).toBeLessThanOrEqual(1000);
    // A reservation is for the prompt and max_tokens.
    expect(used + dearest + 60).toBeGreaterThan(1000);
  });

  it('share the cache, and forget together', async () => {
    const key = await gateway.createKey('paid');
    const prompt = 'What do two workers have in common?';
    const served = async (): Promise<unknown> =>
      (await ask(gateway, key, prompt)).headers['x-sluice-cache'];
    expect(await served()).toBe('miss');
    // Connections are given out in turns: four in a row are two for each worker.
    await until(async () => {
      const answers = [await served(), await served(), await served(), await served()];
      return answers.every((how) => how === 'hit');
    });
    const cleared = await callSeparately(gateway.url, {
      path: '/v1/admin/cache/clear',
      body: {},
      key: gateway.adminKey,
    });
    expect(cleared.status).toBe(200);
    expect(await served()).toBe('miss');
  });

  it('go on when one is killed: what was answered stays counted, and another takes its place', async () => {
    const key = await gateway.createKey('counted');
    const before = await answered(gateway);
    const askTen = async (): Promise<void> => {
      for (let i = 0; i < 10; i++) expect((await ask(gateway, key)).status).toBe(200);
    };
    await askTen();
    expect(await answered(gateway)).toBe(before + 10);
    const [victim, survivor] = servingPids(gateway);
    process.kill(victim!, 'SIGKILL');
    await until(() => logLines(gateway).some((line) => line.msg?.startsWith('a worker ended')));
    await askTen();
    await until(async () => {
      await callSeparately(gateway.url, { path: '/v1/models' });
      return servingPids(gateway).length === 3;
    });
    expect(servingPids(gateway)).toEqual([victim, survivor, workerPids(gateway)[2]]);
    expect(await answered(gateway)).toBe(before + 20);
    await until(async () => (await usageOf(gateway, 'counted')) === 20);
  });
});

describe('several workers at their end', () => {
  const opened: GatewayProcess[] = [];
  afterEach(async () => {
    for (const gateway of opened.splice(0)) await gateway.stop();
  });
  const open = async (): Promise<GatewayProcess> => {
    const gateway = await twoWorkers();
    opened.push(gateway);
    return gateway;
  };

  it('finish their streams on SIGTERM, then all of them go', async () => {
    const gateway = await open();
    const key = await gateway.createKey('paid');
    let started = 0;
    const streams = Array.from({ length: 4 }, (_, i) =>
      callSeparately(gateway.url, {
        path: '/v1/chat/completions',
        key,
        body: chat(`story ${i} [[sandbox tokens=40 rate=20/s]]`, { stream: true }),
        onStarted: () => started++,
      }),
    );
    await until(() => started === 4);
    const pids = workerPids(gateway);
    gateway.signal('SIGTERM');
    for (const { status, text } of await Promise.all(streams)) {
      expect(status).toBe(200);
      expect(text).toContain('data: [DONE]');
    }
    expect(await gateway.exited).toBe(0);
    expect(pids.filter(isAlive)).toEqual([]);
  });

  it('do not start when the first of them cannot, and say why', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as { port: number };
    try {
      const started = startGateway({ env: { SLUICE_WORKERS: '2', PORT: String(port) } });
      await expect(started).rejects.toThrow('EADDRINUSE');
    } finally {
      await new Promise((resolve) => taken.close(resolve));
    }
  });

  it('end with their owner, even when it is killed', async () => {
    const gateway = await open();
    const pids = workerPids(gateway);
    await gateway.kill();
    await until(() => !pids.some(isAlive));
  });
});
