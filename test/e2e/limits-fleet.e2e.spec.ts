import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Agent, request } from 'undici';
import { SANDBOX_CONFIG, type GatewayProcess } from '../gateway/gateway-process.js';
import { startFleet, type GatewayFleet } from '../gateway/gateway-fleet.js';

const POLICIES = `
tiers:
  anonymous: { requests: { perHour: 5 } }
  hundred: { requests: { perHour: 100, burstPerMinute: 100 } }
  thirty: { requests: { perHour: 30, burstPerMinute: 30 } }
  purse: { requests: unlimited, budget: { monthlyUsd: 0.01 } }
  admin: {}
throttle: { queue: { maxWait: 500ms } }
`;
/** One call costs at most so many micro-USD: about ten tokens in, ten out. */
const AT_MOST = 300;

let fleet: GatewayFleet;
const agent = new Agent({ connections: 200 });
beforeAll(async () => {
  fleet = await startFleet({ config: SANDBOX_CONFIG, policies: POLICIES });
}, 60_000);
afterAll(async () => {
  await agent.destroy();
  await fleet.stop();
});

const one = (): GatewayProcess => {
  const [gateway] = fleet.gateways;
  if (gateway === undefined) throw new Error('an empty fleet');
  return gateway;
};
let serial = 0;

/** Asks the gateways in turn. */
async function ask(key: string, path = '/v1/chat/completions') {
  const gateway = fleet.gateways[serial++ % fleet.gateways.length];
  const { statusCode, headers, body } = await request(`${gateway?.url}${path}`, {
    method: path === '/v1/models' ? 'GET' : 'POST',
    dispatcher: agent,
    headers: {
      authorization: `Bearer ${key}`,
      'content-type': 'application/json',
      'x-sluice-cache': 'off',
    },
    ...(path === '/v1/models'
      ? {}
      : {
          body: JSON.stringify({
            model: 'sandbox-large',
            max_tokens: 10,
            messages: [{ role: 'user', content: `question ${serial} [[sandbox tokens=9]]` }],
          }),
        }),
  });
  const text = await body.text();
  return { status: statusCode, headers, text };
}

async function answers(count: number, key: string, path?: string) {
  return Promise.all(Array.from({ length: count }, () => ask(key, path)));
}
const counted = (all: readonly { readonly status: number }[]) => {
  const counts: Record<number, number> = {};
  for (const { status } of all) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
};
/** Asks again until it holds. */
async function until<T>(get: () => Promise<T>, holds: (value: T) => boolean): Promise<T> {
  for (;;) {
    const value = await get();
    if (holds(value)) return value;
  }
}
const degraded = ({ headers }: { headers: Record<string, unknown> }) =>
  headers['x-sluice-limits'] === 'degraded';

describe('three gateways over one Redis', () => {
  it('let exactly 100 of 2,000 calls through that are made at once', async () => {
    const key = await one().createKey('hundred');
    expect(counted(await answers(2000, key, '/v1/models'))).toEqual({ 200: 100, 429: 1900 });
  }, 60_000);

  it('spend one budget together, to its end and no further', async () => {
    const key = await one().createKey('purse', { owner: 'together' });
    const all = await answers(200, key);
    const counts = counted(all);
    expect(Object.keys(counts).every((status) => ['200', '402', '429'].includes(status))).toBe(
      true,
    );
    const spent = await spentBy(key);
    expect(spent.reserved).toBe(0);
    expect(spent.micro).toBeLessThanOrEqual(10_000);
    expect(spent.micro).toBeGreaterThan(10_000 - 2 * AT_MOST);
  }, 60_000);
});

async function spentBy(key: string): Promise<{ micro: number; reserved: number }> {
  const headers = { authorization: `Bearer ${key}` };
  const { body } = await request(`${one().url}/v1/usage`, { headers });
  const { limits } = (await body.json()) as { limits: Record<string, any>[] };
  const usd = limits.find((limit) => limit.unit === 'usd');
  return { micro: Math.round((usd?.spent ?? 0) * 1e6), reserved: usd?.reserved ?? 0 };
}
/** What a caller may see while Redis is away: answers, refusals by a limit, never a fault of ours. */
const ALLOWED = new Set([200, 402, 429]);

describe.each([
  ['frozen', () => fleet.redis.freeze(), async () => fleet.redis.thaw()],
  ['killed', () => void fleet.redis.kill(), () => fleet.redis.restart()],
])('while Redis is %s under load', (name, stop, start) => {
  it('no call fails by our fault, the bounds hold, and the shared counters serve again', async () => {
    const requests = await one().createKey('thirty', { owner: `r-${name}` });
    const purse = await one().createKey('purse', { owner: `p-${name}` });
    const all: { status: number; headers: Record<string, unknown> }[] = [];
    const load = async (count: number) => {
      all.push(...(await answers(count, requests, '/v1/models')));
      all.push(...(await answers(count, purse)));
    };
    await load(6);
    stop();
    await load(40);
    expect(all.some(degraded)).toBe(true);
    await start();
    const probe = await one().createKey('hundred', { owner: `probe-${name}` });
    await until(
      () => Promise.all(fleet.gateways.map(() => ask(probe, '/v1/models'))),
      (found) => !found.some(degraded),
    );
    await load(40);
    expect(all.filter(({ status }) => !ALLOWED.has(status))).toEqual([]);
    const { micro } = await until(
      () => spentBy(purse),
      ({ reserved }) => reserved === 0,
    );
    // Every call that was answered is in the books, and the books are within the budget.
    expect(micro).toBeLessThanOrEqual(10_000);
  }, 60_000);
});
