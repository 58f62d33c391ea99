import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { startGateway, type GatewayProcess } from '../gateway/gateway-process.js';
import { ScriptedUpstream } from '../upstream/scripted-upstream.js';

let upstream: ScriptedUpstream;
let gateway: GatewayProcess;

beforeAll(async () => {
  upstream = await ScriptedUpstream.start();
  gateway = await startGateway({
    config: `
providers:
  - { id: o, kind: openai, baseUrl: "${upstream.url}/v1", apiKey: k }
models:
  - { id: chat, provider: o, price: { input: 1, output: 2 }, retries: 0 }
`,
  });
});
afterAll(async () => {
  await gateway.stop();
  await upstream.close();
});
afterEach(() => upstream.reset());

const ANSWER = {
  id: 'c1',
  object: 'chat.completion',
  created: 1,
  model: 'chat',
  choices: [{ index: 0, message: { role: 'assistant', content: 'hello' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 9, completion_tokens: 2, total_tokens: 11 },
};

async function ask(key: string, text: string, more: object = {}, path = '/v1/chat/completions') {
  const response = await fetch(gateway.url + path, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${gateway.adminKey}`,
      'content-type': 'application/json',
      // What is tested is the key, not the cache.
      'x-sluice-cache': 'off',
      'idempotency-key': key,
    },
    body: JSON.stringify({ model: 'chat', messages: [{ role: 'user', content: text }], ...more }),
  });
  return {
    status: response.status,
    replayed: response.headers.get('idempotent-replayed'),
    text: await response.text(),
  };
}

describe('a request with an idempotency-key', () => {
  it('runs once for callers who ask at the same time', async () => {
    upstream.always({ json: ANSWER });
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask('together', 'hi')));
    expect(upstream.requests).toHaveLength(1);
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    expect(answers.filter(({ replayed }) => replayed === null)).toHaveLength(1);
  });

  it('is refused when the key was used with another body, while it runs and afterwards', async () => {
    upstream.always({ json: ANSWER });
    const both = await Promise.all([ask('other', 'one'), ask('other', 'two')]);
    expect(both.map(({ status }) => status).toSorted()).toEqual([200, 409]);
    const won = both[0].status === 200 ? 'two' : 'one';
    const refused = await ask('other', won);
    expect(refused.status).toBe(409);
    expect(JSON.parse(refused.text)).toMatchObject({
      error: { code: 'conflict', param: 'idempotency-key' },
    });
    expect(upstream.requests).toHaveLength(1);
  });

  it('is of its route: the same key elsewhere is another one', async () => {
    upstream.always({ json: ANSWER });
    await ask('route', 'hi');
    expect(await ask('route', 'hi', { max_tokens: 9 }, '/v1/messages')).toMatchObject({
      status: 200,
      replayed: null,
    });
  });

  it('runs again after a failure, once for all who waited', async () => {
    upstream.next({ status: 500, json: { error: { message: 'no' } } });
    upstream.always({ json: ANSWER });
    const answers = await Promise.all(Array.from({ length: 5 }, () => ask('failing', 'hi')));
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 200, 200, 200, 502]);
    expect(upstream.requests).toHaveLength(2);
  });

  it('runs again when the answer was a stream', async () => {
    const stream = { stream: true };
    for (const round of [1, 2]) {
      upstream.next({
        sse: [{ ...ANSWER, object: 'chat.completion.chunk', choices: [] }, '[DONE]'],
      });
      expect(await ask('streamed', 'hi', stream)).toMatchObject({ replayed: null });
      expect(upstream.requests).toHaveLength(round);
    }
  });

  it.each(['', 'k'.repeat(256)])('must have a key of 1 to 255 characters (%#)', async (key) => {
    const refused = await ask(key, 'hi');
    expect(refused.status).toBe(400);
    expect(JSON.parse(refused.text)).toMatchObject({
      error: { code: 'invalid_request', param: 'idempotency-key' },
    });
    expect(upstream.requests).toHaveLength(0);
  });
});
