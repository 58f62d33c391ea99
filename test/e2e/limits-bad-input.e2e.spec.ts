import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHmac } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startGateway, type GatewayProcess } from '../gateway/gateway-process.js';

const POLICIES = `
tiers:
  anonymous: { requests: { perHour: 3, burstPerMinute: 3 } }
  free: { requests: { perHour: 100 } }
  leaving: { requests: { perHour: 100 } }
  admin: {}
`;
const SECRET = 'a secret of at least thirty-two characters';

let gateway: GatewayProcess;
beforeAll(async () => {
  const env = { JWT_SECRET: SECRET, TRUST_PROXY: 'loopback' };
  gateway = await startGateway({ policies: POLICIES, env });
});
afterAll(() => gateway.stop());

function jwt(claims: Readonly<Record<string, unknown>>): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const exp = Math.floor(Date.now() / 1000) + 600;
  const body = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ exp, ...claims })}`;
  return `${body}.${createHmac('sha256', SECRET).update(body).digest('base64url')}`;
}

async function ask(headers: Readonly<Record<string, string>>, path = '/v1/models') {
  const chat = path !== '/v1/models';
  const body = { model: 'sandbox-small', messages: [{ role: 'user', content: 'Hello' }] };
  const response = await fetch(`${gateway.url}${path}`, {
    method: chat ? 'POST' : 'GET',
    headers: { 'content-type': 'application/json', ...headers },
    ...(chat ? { body: JSON.stringify({ ...body, max_tokens: 5 }) } : {}),
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

describe('a tier that is not configured', () => {
  it.each(['/v1/models', '/v1/chat/completions', '/v1/messages'])(
    'in a token is refused on %s with 403 that names it',
    async (path) => {
      const { status, text } = await ask(bearer(jwt({ sub: 'ann', tier: 'platinum' })), path);
      expect([status, text]).toEqual([403, expect.stringContaining('platinum')]);
    },
  );

  it('in a key, since the tier was taken out of the policies, is refused the same', async () => {
    const key = await gateway.createKey('leaving');
    expect((await ask(bearer(key))).status).toBe(200);
    await writeFile(join(gateway.dir, 'policies.yaml'), POLICIES.replace(/ {2}leaving.*\n/, ''));
    const reload = await fetch(`${gateway.url}/v1/admin/config/reload`, {
      method: 'POST',
      headers: bearer(gateway.adminKey),
    });
    expect(reload.status).toBe(200);
    const { status, text } = await ask(bearer(key));
    expect([status, text]).toEqual([403, expect.stringContaining('leaving')]);
  });
});

describe('policies that cannot be', () => {
  it.each([
    ['{ requests: { perHour: -1 } }', 'tiers.free.requests.perHour'],
    ['{ tokens: { perDay: -5 } }', 'tiers.free.tokens.perDay'],
    ['{ budget: { monthlyUsd: -0.5 } }', 'tiers.free.budget.monthlyUsd'],
    ['{ requests: { perHour: 5, burstPerMinute: 6 } }', 'tiers.free.requests.burstPerMinute'],
    ['{ tokens: { perDay: 9, perMonth: 8 } }', 'tiers.free.tokens.perDay'],
  ])('stop the start with the path of the fault: %s', async (free, path) => {
    const policies = `tiers: { free: ${free}, admin: {} }`;
    await expect(startGateway({ policies })).rejects.toThrow(path);
  });
});

describe('callers by address', () => {
  it('are told apart by what a trusted proxy says, and by nothing else', async () => {
    const from = (address: string) => ({ 'x-forwarded-for': address });
    const statuses = async (header: () => Record<string, string>) => {
      const found: number[] = [];
      for (let i = 0; i < 4; i++) found.push((await ask(header())).status);
      return found;
    };
    expect(await statuses(() => from('198.51.100.1'))).toEqual([200, 200, 200, 429]);
    // What the client itself put in front of the proxy's own entry is not believed.
    let n = 0;
    const forged = () => from(`203.0.113.${n++}, 198.51.100.2`);
    expect(await statuses(forged)).toEqual([200, 200, 200, 429]);
    // One customer's /64 is one caller.
    n = 0;
    const roaming = () => from(`2001:db8:0:1::${++n}`);
    expect(await statuses(roaming)).toEqual([200, 200, 200, 429]);
  });

  it('by the thousand are served, each with limits of its own', async () => {
    const answers = await Promise.all(
      Array.from({ length: 1000 }, (_, i) =>
        ask({ 'x-forwarded-for': `10.7.${i >> 8}.${i & 255}` }),
      ),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(answers.at(-1)?.headers.get('x-ratelimit-remaining')).toBe('2');
  });
});

describe('long names', () => {
  it('of callers are counted like others, and refused where they are no names', async () => {
    const token = jwt({ sub: `{x}|${'y'.repeat(190)}`, tier: 'free' });
    expect((await ask(bearer(token))).headers.get('x-ratelimit-remaining')).toBe('99');
    expect((await ask(bearer(token))).headers.get('x-ratelimit-remaining')).toBe('98');
    const usage = await fetch(`${gateway.url}/v1/usage`, { headers: bearer(token) });
    expect(usage.status).toBe(200);
    expect((await ask(bearer(jwt({ sub: 'x'.repeat(4000), tier: 'free' })))).status).toBe(401);
  });

  it('of 64 KB are refused before they are read, and in an API key found nowhere', async () => {
    // Node's own limit of all headers together; a key that long cannot come in another way.
    const { status } = await ask(bearer('x'.repeat(64 * 1024))).catch(() => ({ status: 431 }));
    expect(status).toBe(431);
    expect((await ask(bearer(`sk-sluice-${'x'.repeat(8000)}`))).status).toBe(401);
  });
});
