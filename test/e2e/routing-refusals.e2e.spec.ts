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
  - { id: narrow, provider: up, tiers: [paid], capabilities: [json], price: { input: 1, output: 2 } }
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

describe('a named model that does not declare what is asked of it', () => {
  const image = { type: 'image_url', image_url: { url: 'https://example.com/a.png' } };
  const picture = { type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } };
  let key: string;
  // Not open to the other tests, which count who is left.
  beforeAll(async () => {
    key = await gateway.createKey('paid');
  });
  const post = async (path: string, body: object) => {
    const answer = await fetch(gateway.url + path, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'narrow', ...body }),
    });
    return {
      status: answer.status,
      headers: answer.headers,
      body: (await answer.json()) as object,
    };
  };

  it('is not asked, and says which field it is, in the caller’s dialect', async () => {
    const chat = await post('/v1/chat/completions', {
      messages: [{ role: 'user', content: [image] }],
    });
    expect(chat).toMatchObject({
      status: 400,
      body: {
        error: {
          type: 'invalid_request_error',
          code: 'invalid_request',
          param: 'messages[0].content[0]',
          message: expect.stringContaining('`narrow` does not support'),
        },
      },
    });
    expect(chat.headers.get('x-should-retry')).toBe('false');
    const messages = { max_tokens: 9, messages: [{ role: 'user', content: [picture] }] };
    expect(await post('/v1/messages', messages)).toMatchObject({
      status: 400,
      body: {
        type: 'error',
        error: {
          type: 'invalid_request_error',
          message: expect.stringMatching(/messages.*vision/),
        },
      },
    });
    expect(up.requests).toHaveLength(0);
    const form = { type: 'json_object' };
    const messagesOnly = { messages: [{ role: 'user', content: 'JSON' }], response_format: form };
    expect((await post('/v1/chat/completions', messagesOnly)).status).toBe(200);
  });
});

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
