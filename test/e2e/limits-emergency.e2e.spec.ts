import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { SANDBOX_CONFIG, startGateway, type GatewayProcess } from '../gateway/gateway-process.js';

const POLICIES = `
tiers:
  paid: { requests: unlimited }
  admin: {}
system: { budget: { monthlyUsd: 0.02 } }
emergency: { shutdownAt: 0.5 }
`;

let gateway: GatewayProcess;
let paid: string;
beforeAll(async () => {
  gateway = await startGateway({ config: SANDBOX_CONFIG, policies: POLICIES });
  paid = await gateway.createKey('paid');
});
afterAll(() => gateway.stop());

/** A call of about a thousandth of a dollar and a half. */
async function ask(content: string, key = paid) {
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'sandbox-large',
      max_tokens: 100,
      messages: [{ role: 'user', content: `${content} [[sandbox tokens=99]]` }],
    }),
  });
  const { error } = (await response.json()) as { error?: { code: string } };
  return { status: response.status, code: error?.code, headers: response.headers };
}
const admin = async (path: string, method = 'GET') => {
  const headers = { authorization: `Bearer ${gateway.adminKey}` };
  const response = await fetch(`${gateway.url}/v1/admin/${path}`, { method, headers });
  return (await response.json()) as Record<string, any>;
};

it('paid calls stop when the gateway has spent its share: not for administrators, and cached answers are served', async () => {
  expect((await ask('What was asked before.')).headers.get('x-sluice-cache')).toBe('miss');
  let passed = 1;
  let last = await ask('New 0.');
  for (; last.status === 200; passed++) last = await ask(`New ${passed}.`);
  expect([last.status, last.code]).toEqual([503, 'emergency_shutdown']);
  expect(last.headers.get('x-should-retry')).toBe('false');
  // Half of what fourteen calls would take.
  expect(passed).toBe(7);
  const { shutdown, budgets } = await admin('budgets');
  expect(shutdown).toMatchObject({ active: true, manual: false });
  const [system] = budgets;
  expect(system.spent).toBeGreaterThanOrEqual(0.5 * system.limit);
  expect(system).toMatchObject({ scope: 'system', reserved: 0 });
  expect(system.left).toBeCloseTo(system.limit - system.spent, 6);

  const again = await ask('What was asked before.');
  expect([again.status, again.headers.get('x-sluice-cache')]).toEqual([200, 'hit']);
  expect((await ask('An administrator asks.', gateway.adminKey)).status).toBe(200);
  expect((await ask('Others still may not.')).code).toBe('emergency_shutdown');

  await admin('budgets/resume', 'POST');
  expect((await ask('On we go.')).status).toBe(200);
});
