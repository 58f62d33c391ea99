import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { startGateway, type GatewayProcess } from '../gateway/gateway-process.js';
import { ScriptedUpstream } from '../upstream/scripted-upstream.js';

let up: ScriptedUpstream;
let gateway: GatewayProcess;

// One model of the lowest grade with a small window that can do nothing but text.
const config = (url: string) => `
providers:
  - { id: up, kind: openai, baseUrl: "${url}", auth: none }
models:
  - { id: plain, provider: up, grade: simple, contextTokens: 300, price: { input: 1, output: 2 }, retries: 0 }
routing: { breaker: { minCalls: 2, reset: 60s } }
cache: { enabled: false }
`;

beforeAll(async () => {
  up = await ScriptedUpstream.start();
  gateway = await startGateway({ config: config(up.baseUrl) });
}, 90_000);
afterAll(async () => {
  await gateway.stop();
  await up.close();
});
afterEach(() => up.reset());

async function ask(content: unknown) {
  const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${gateway.adminKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'auto', messages: [{ role: 'user', content }] }),
  });
  const body = (await answer.json()) as { error?: { code: string; message: string } };
  return { status: answer.status, headers: answer.headers, ...body.error };
}

describe('model "auto" with nobody left to ask', () => {
  it('is 404 and says that no model has the capability', async () => {
    const image = [{ type: 'image_url', image_url: { url: 'https://example.com/a.png' } }];
    expect(await ask(image)).toMatchObject({
      status: 404,
      code: 'model_not_found',
      message: 'No model is left for this request: capability removed plain (no vision).',
    });
  });

  it('is 400 and says whose window is too small for the prompt', async () => {
    expect(await ask('many words '.repeat(500))).toMatchObject({
      status: 400,
      code: 'context_too_long',
      message: expect.stringMatching(/window removed plain \(window of 300 tokens is smaller/),
    });
  });

  it('is 404 and says that security work may not go below its grade', async () => {
    expect(await ask('Review our password hashing')).toMatchObject({
      status: 404,
      code: 'model_not_found',
      message: expect.stringContaining(
        'security work needs grade complex; grade removed plain (simple)',
      ),
    });
  });

  it('is served from below where the grade alone has no model, and the headers say so', async () => {
    const { status, headers } = await ask('Build a web shop');
    expect([status, headers.get('x-sluice-routing-level'), headers.get('x-sluice-grade')]).toEqual([
      200,
      'any',
      'complex',
    ]);
  });

  it('is 503 with the time to wait, and says that health took the last', async () => {
    up.always({ status: 500, json: { error: { message: 'boom' } } });
    let refused = await ask('Hi');
    // The engine refuses at once; the router hears of the breaker a tenth of a second later.
    while (refused.message?.includes('health') !== true) refused = await ask('Hi');
    expect(refused).toMatchObject({
      status: 503,
      code: 'overloaded',
      message: 'No model is left for this request: health removed plain (breaker open).',
    });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  });
});
