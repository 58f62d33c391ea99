import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import OpenAI from 'openai';
import { SANDBOX_CONFIG, startGateway, type GatewayProcess } from '../gateway/gateway-process.js';

/** One sandbox-large call of ~10 input tokens and 10 output tokens costs about 200 micro-USD. */
const POLICIES = `
tiers:
  anonymous: { requests: { perHour: 5, burstPerMinute: 5 } }
  paid: { requests: unlimited, priority: 2 }
  poor: { requests: unlimited, budget: { monthlyUsd: 0.000001 } }
  short: { requests: unlimited, budget: { monthlyUsd: 0.016 } }
  tight: { requests: unlimited, budget: { monthlyUsd: 0.004 } }
  slow: { requests: { perHour: 100, burstPerMinute: 2 } }
  admin: { priority: 3 }
`;

let gateway: GatewayProcess;
let serial = 0;

beforeAll(async () => {
  gateway = await startGateway({ config: SANDBOX_CONFIG, policies: POLICIES });
});
afterAll(() => gateway.stop());

/** The answer is shorter than max_tokens: one that was cut is not cached. */
function ask(key: string, content = `question ${serial++}`): Promise<Response> {
  return fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'sandbox-large',
      max_tokens: 10,
      messages: [{ role: 'user', content: `${content} [[sandbox tokens=9]]` }],
    }),
  });
}

async function answered(): Promise<number> {
  const text = await (await fetch(`${gateway.url}/metrics`)).text();
  const lines = text.matchAll(/sluice_requests_total\{route="\/v1\/chat\/completions".*?\} (\d+)/g);
  return [...lines].reduce((sum, [, count]) => sum + Number(count), 0);
}

async function admin(path: string, method = 'GET'): Promise<Record<string, any>> {
  const response = await fetch(`${gateway.url}/v1/admin/${path}`, {
    method,
    headers: { authorization: `Bearer ${gateway.adminKey}` },
  });
  return (await response.json()) as Record<string, any>;
}

describe('limits at the door', () => {
  it('refuse a spent budget with 402, and the SDK asks exactly once', async () => {
    const apiKey = await gateway.createKey('poor');
    const client = new OpenAI({ apiKey, baseURL: `${gateway.url}/v1` });
    const before = await answered();
    const refused = client.chat.completions.create({
      model: 'sandbox-large',
      messages: [{ role: 'user', content: 'Something dear.' }],
    });
    await expect(refused).rejects.toMatchObject({ status: 402, code: 'budget_exhausted' });
    expect(await answered()).toBe(before + 1);
    const raw = await ask(apiKey);
    expect(raw.headers.get('x-should-retry')).toBe('false');
    expect(raw.headers.get('retry-after')).toBeNull();
  });

  it('never let the recorded spend pass the budget, however many ask at once', async () => {
    const key = await gateway.createKey('tight', { owner: 'tight-owner' });
    const statuses = await Promise.all(
      Array.from({ length: 80 }, async () => {
        const response = await ask(key);
        await response.text();
        return response.status;
      }),
    );
    const passed = statuses.filter((status) => status === 200).length;
    expect(passed).toBeGreaterThan(10);
    expect(passed).toBeLessThan(80);
    expect(statuses.every((status) => [200, 402, 429].includes(status))).toBe(true);
    const own = await fetch(`${gateway.url}/v1/usage`, {
      headers: { authorization: `Bearer ${key}` },
    });
    const { limits } = (await own.json()) as Record<string, any>;
    const budget = limits.find((limit: { unit: string }) => limit.unit === 'usd');
    expect(budget.limit).toBe(0.004);
    expect(budget.spent).toBeLessThanOrEqual(budget.limit);
    expect(budget.reserved).toBe(0);
  });

  it('end a stream that their budget does not reach to the end of, and say so', async () => {
    const key = await gateway.createKey('short', { owner: 'short-owner' });
    const stream = async (path: string, body: Readonly<Record<string, unknown>>) => {
      const response = await fetch(`${gateway.url}${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        body: JSON.stringify({
          model: 'sandbox-large',
          stream: true,
          messages: [{ role: 'user', content: 'A long story. [[sandbox tokens=3000]]' }],
          ...body,
        }),
      });
      const text = await response.text();
      return [...text.matchAll(/^data: (\{.*\})$/gm)].map(
        ([, data]) => JSON.parse(data ?? '') as Record<string, any>,
      );
    };
    // A thousand tokens are reserved, and no more are to be had.
    const last = (await stream('/v1/chat/completions', {})).at(-1);
    expect(last).toMatchObject({
      choices: [{ finish_reason: 'length' }],
      sluice: { stopped_by: 'budget' },
    });
    const own = await fetch(`${gateway.url}/v1/usage`, {
      headers: { authorization: `Bearer ${key}` },
    });
    const { limits } = (await own.json()) as Record<string, any>;
    const budget = limits.find((limit: { unit: string }) => limit.unit === 'usd');
    expect(budget.spent).toBeGreaterThan(0.01);
    expect(budget.spent).toBeLessThanOrEqual(budget.limit);
  });

  it('say how long to wait when the rate is too high, and what is left on every answer', async () => {
    const key = await gateway.createKey('slow');
    const first = await ask(key);
    expect(first.headers.get('x-ratelimit-limit')).toBe('2');
    expect(first.headers.get('x-ratelimit-remaining')).toBe('1');
    await ask(key);
    const third = await ask(key);
    expect(third.status).toBe(429);
    const wait = Number(third.headers.get('retry-after'));
    expect(wait).toBeGreaterThan(50);
    expect(wait).toBeLessThanOrEqual(60);
    expect(((await third.json()) as Record<string, any>).error.code).toBe('rate_limited');
  });

  it('do not believe a forged X-Forwarded-For', async () => {
    const statuses: number[] = [];
    for (let i = 0; i < 7; i++) {
      const response = await fetch(`${gateway.url}/v1/models`, {
        headers: { 'x-forwarded-for': `198.51.100.${i}` },
      });
      statuses.push(response.status);
      await response.text();
    }
    expect(statuses.filter((status) => status === 429)).toHaveLength(2);
  });

  it('refuse a key whose tier does not exist, naming the tier', async () => {
    const response = await fetch(`${gateway.url}/v1/admin/keys`, {
      method: 'POST',
      headers: { authorization: `Bearer ${gateway.adminKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'x', tier: 'platinum' }),
    });
    expect(response.status).toBeGreaterThanOrEqual(400);
    expect(await response.text()).toContain('platinum');
  });

  it('stop paid calls in an emergency, but not cached answers, until somebody resumes', async () => {
    const key = await gateway.createKey('paid');
    expect((await ask(key, 'asked before the shutdown')).status).toBe(200);
    await admin('budgets/shutdown', 'POST');
    const refused = await ask(key, 'asked after the shutdown');
    expect(refused.status).toBe(503);
    expect(refused.headers.get('x-should-retry')).toBe('false');
    expect(((await refused.json()) as Record<string, any>).error.code).toBe('emergency_shutdown');
    const cached = await ask(key, 'asked before the shutdown');
    expect(cached.status).toBe(200);
    expect(cached.headers.get('x-sluice-cache')).toBe('hit');
    await admin('budgets/resume', 'POST');
    expect((await ask(key, 'asked after the resumption')).status).toBe(200);
  });

  it('account for every call, refused ones included, and sums agree with the bills', async () => {
    const key = await gateway.createKey('paid', { owner: 'counted' });
    const costs: number[] = [];
    for (let i = 0; i < 5; i++) {
      const response = await ask(key);
      costs.push(Number(response.headers.get('x-sluice-cost-usd')));
      await response.text();
    }
    let report: Record<string, any> = {};
    for (let i = 0; i < 200; i++) {
      report = await admin(`usage?group_by=caller&caller=counted&from=2020-01-01`);
      if (report.data?.[0]?.calls === 5) break;
      await sleep(50);
    }
    expect(report.data?.[0]?.calls).toBe(5);
    expect(report.data[0].cost_usd).toBeCloseTo(
      costs.reduce((a, b) => a + b, 0),
      6,
    );
  });
});
