import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { request as httpRequest } from 'node:http';
import { gzipSync } from 'node:zlib';
import { startGateway, upstreamConfig, type GatewayProcess } from '../gateway/gateway-process.js';
import { ScriptedUpstream } from '../upstream/scripted-upstream.js';

let gateway: GatewayProcess;
let upstream: ScriptedUpstream;

beforeAll(async () => {
  upstream = await ScriptedUpstream.start();
  gateway = await startGateway({ config: upstreamConfig(upstream.url) });
});
afterAll(async () => {
  await gateway.stop();
  await upstream.close();
});

interface Answer {
  status: number;
  json: { error: { message: string; type: string; param: string | null; code: string } };
}

async function post(
  body: string | Buffer | undefined,
  headers: Record<string, string> = {},
  path = '/v1/chat/completions',
): Promise<Answer> {
  const response = await fetch(gateway.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : new Uint8Array(body) }),
  });
  return { status: response.status, json: (await response.json()) as Answer['json'] };
}

const valid = (changes: object = {}): string =>
  JSON.stringify({
    model: 'gpt-test',
    messages: [{ role: 'user', content: 'hi' }],
    ...changes,
  });

describe('a bad request is refused in the OpenAI shape, and no upstream hears of it', () => {
  const cases: [string, () => Promise<Answer>, { status: number; code: string; param?: string }][] =
    [
      ['no body', () => post(undefined), { status: 400, code: 'invalid_request' }],
      ['an empty body', () => post(''), { status: 400, code: 'invalid_request' }],
      ['not JSON', () => post('{"model":'), { status: 400, code: 'invalid_request' }],
      [
        'a wrong content type',
        () => post(valid(), { 'content-type': 'text/plain' }),
        { status: 400, code: 'invalid_request', param: 'content-type' },
      ],
      ['a JSON string', () => post('"hi"'), { status: 400, code: 'invalid_request' }],
      [
        'empty messages',
        () => post(valid({ messages: [] })),
        { status: 400, code: 'invalid_request', param: 'messages' },
      ],
      [
        'an unknown role',
        () => post(valid({ messages: [{ role: 'wizard', content: 'x' }] })),
        { status: 400, code: 'invalid_request', param: 'messages[0].role' },
      ],
      [
        'a body of 10 MB and one byte',
        () => post(Buffer.alloc(10 * 1024 * 1024 + 1, 0x20)),
        { status: 413, code: 'body_too_large' },
      ],
      [
        'a gzip bomb',
        () => post(gzipSync(Buffer.alloc(200 * 1024 * 1024, 0x20)), { 'content-encoding': 'gzip' }),
        { status: 413, code: 'body_too_large' },
      ],
      [
        'nesting of 10,000 levels',
        () => post(`{"model":"gpt-test","messages":${'['.repeat(10_000)}${']'.repeat(10_000)}}`),
        { status: 400, code: 'invalid_request' },
      ],
      [
        'an array of 20,000 elements',
        () => post(`{"model":"gpt-test","messages":[${'1,'.repeat(20_000)}1]}`),
        { status: 400, code: 'invalid_request' },
      ],
      [
        'an unknown model',
        () => post(valid({ model: 'gpt-99' })),
        { status: 404, code: 'model_not_found', param: 'model' },
      ],
      [
        'a model named with half a character',
        () => post('{"model":"a\\ud800","messages":[{"role":"user","content":"hi"}]}'),
        { status: 404, code: 'model_not_found', param: 'model' },
      ],
      [
        'a model named with a zero byte',
        () => post('{"model":"a\\u0000","messages":[{"role":"user","content":"hi"}]}'),
        { status: 404, code: 'model_not_found', param: 'model' },
      ],
      [
        'a wrong key',
        () => post(valid(), { authorization: `Bearer sk-sluice-${'x'.repeat(43)}` }),
        { status: 401, code: 'unauthorized' },
      ],
      [
        'a key that is no key',
        () => post(valid(), { authorization: 'Bearer sk-something' }),
        { status: 401, code: 'unauthorized' },
      ],
      [
        'invalid UTF-8',
        () => post(Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d])),
        { status: 400, code: 'invalid_request' },
      ],
      [
        'negative max_tokens',
        () => post(valid({ max_tokens: -1 })),
        { status: 400, code: 'invalid_request', param: 'max_tokens' },
      ],
      [
        'n = 1000',
        () => post(valid({ n: 1000 })),
        { status: 400, code: 'invalid_request', param: 'n' },
      ],
      [
        'an unknown content encoding',
        () => post(valid(), { 'content-encoding': 'zebra' }),
        { status: 400, code: 'invalid_request', param: 'content-encoding' },
      ],
      [
        'a cache threshold above 1',
        () => post(valid(), { 'x-sluice-cache-threshold': '2' }),
        { status: 400, code: 'invalid_request', param: 'x-sluice-cache-threshold' },
      ],
      [
        'an unknown route',
        () => post(valid(), {}, '/v1/unknown'),
        { status: 404, code: 'not_found' },
      ],
    ];

  it.each(cases)('%s', async (_name, ask, expected) => {
    const { status, json } = await ask();
    expect({ status, code: json.error.code }).toEqual({
      status: expected.status,
      code: expected.code,
    });
    expect(Object.keys(json.error).toSorted()).toEqual(['code', 'message', 'param', 'type']);
    if (expected.param !== undefined) expect(json.error.param).toBe(expected.param);
    expect(json.error.message.length).toBeGreaterThan(10);
    expect(upstream.requests).toHaveLength(0);
  });

  it('a revoked key', async () => {
    const created = await fetch(`${gateway.url}/v1/admin/keys`, {
      method: 'POST',
      headers: { authorization: `Bearer ${gateway.adminKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'short-lived', tier: 'paid' }),
    });
    const { id, key } = (await created.json()) as { id: string; key: string };
    const headers = { authorization: `Bearer ${key}` };
    expect((await fetch(`${gateway.url}/v1/models`, { headers })).status).toBe(200);
    const revoked = await fetch(`${gateway.url}/v1/admin/keys/${id}`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${gateway.adminKey}` },
    });
    expect(revoked.ok).toBe(true);
    const answer = await post(valid(), headers);
    expect(answer.status).toBe(401);
    expect(answer.json.error.code).toBe('unauthorized');
  });

  it('a key in the query string', async () => {
    const answer = await post(valid(), {}, `/v1/chat/completions?api_key=${gateway.adminKey}`);
    expect([400, 401]).toContain(answer.status);
    expect(JSON.stringify(answer.json)).not.toContain(gateway.adminKey);
  });

  it.each([
    ['DELETE', '/v1/admin/callers/%00/data', undefined, 'id'],
    ['GET', '/v1/admin/usage?form=2026-01-01', undefined, 'form'],
    [
      'POST',
      '/v1/admin/rate-limits/override',
      { subject: 'x', until: '2020-01-01T00:00:00Z', per_hour: 5 },
      'until',
    ],
  ])('of an administrator too: %s %s', async (method, path, body, param) => {
    const response = await fetch(gateway.url + path, {
      method,
      headers: {
        authorization: `Bearer ${gateway.adminKey}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    expect([response.status, await response.json()]).toMatchObject([
      400,
      { error: { code: 'invalid_request', param } },
    ]);
  });

  it('a header of 64 KB', async () => {
    const { status, text } = await new Promise<{ status: number; text: string }>((done, fail) => {
      const request = httpRequest(
        `${gateway.url}/v1/chat/completions`,
        { method: 'POST', headers: { authorization: `Bearer ${'x'.repeat(64 * 1024)}` } },
        (response) => {
          let body = '';
          response.on('data', (data: Buffer) => (body += data.toString()));
          response.on('end', () => done({ status: response.statusCode ?? 0, text: body }));
        },
      );
      request.on('error', fail);
      request.end(valid());
    });
    expect(status).toBe(431);
    expect(JSON.parse(text)).toMatchObject({ error: { code: 'header_too_large', param: null } });
  });

  it('a known address under another method: which ones it has', async () => {
    const response = await fetch(`${gateway.url}/v1/chat/completions`);
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST']);
    expect(await response.json()).toMatchObject({
      error: { type: 'invalid_request_error', param: null, code: 'method_not_allowed' },
    });
    const key = await fetch(`${gateway.url}/v1/admin/keys/x`, { method: 'PUT' });
    expect([key.status, key.headers.get('allow')]).toEqual([405, 'DELETE, PATCH']);
    await key.text();
  });

  it.each([
    ['GET', '/v1/messages', 405, 'invalid_request_error'],
    ['POST', '/v1/messages/batches', 404, 'not_found_error'],
  ])('and %s %s is refused in the Anthropic shape', async (method, path, status, type) => {
    const response = await fetch(gateway.url + path, { method });
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({
      type: 'error',
      error: { type },
      request_id: response.headers.get('request-id'),
    });
  });

  it('and /v1/messages answers in the Anthropic shape', async () => {
    const response = await fetch(`${gateway.url}/v1/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'anthropic-version': '2023-06-01' },
      body: '{}',
    });
    expect(response.status).toBe(400);
    const json = (await response.json()) as Record<string, unknown>;
    expect(json).toMatchObject({ type: 'error', error: { type: 'invalid_request_error' } });
    expect(json.request_id).toBe(response.headers.get('request-id'));
  });
});
