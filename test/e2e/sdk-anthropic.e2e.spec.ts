import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import Anthropic from '@anthropic-ai/sdk';
import { startGateway, type GatewayProcess } from '../gateway/gateway-process.js';
import { ScriptedUpstream, type Script } from '../upstream/scripted-upstream.js';
import { framingOf } from '../dialects/framing.js';
import { golden } from '../dialects/golden.js';

let upstream: ScriptedUpstream;
let gateway: GatewayProcess;
let direct: Anthropic;
let through: Anthropic;

beforeAll(async () => {
  upstream = await ScriptedUpstream.start();
  gateway = await startGateway({
    config: `
providers:
  - { id: claude, kind: anthropic, baseUrl: "${upstream.url}", apiKey: secret-upstream-key }
  - { id: open, kind: openai, baseUrl: "${upstream.url}/v1", auth: none }
  - { id: gem, kind: gemini, baseUrl: "${upstream.url}", apiKey: gemini-key }
models:
  - { id: claude-test, provider: claude, grade: simple, price: { input: 1, output: 5 }, contextTokens: 200000, maxOutputTokens: 8192, capabilities: [tools, vision, json, files, reasoning], retries: 0 }
  - { id: gpt-test, provider: open, price: { input: 1, output: 5 }, contextTokens: 200000, maxOutputTokens: 8192, capabilities: [tools, vision, json, files, reasoning], retries: 0 }
  - { id: gemini-test, provider: gem, upstream: gemini-2.5-pro, price: { input: 1, output: 5 }, contextTokens: 200000, maxOutputTokens: 8192, capabilities: [tools, vision, json, files, reasoning], retries: 0 }
cache: { enabled: false }
routing: { breaker: { minCalls: 1000000 } }`,
  });
  direct = new Anthropic({ apiKey: 'k', baseURL: upstream.url, maxRetries: 0 });
  through = new Anthropic({ apiKey: gateway.adminKey, baseURL: gateway.url, maxRetries: 0 });
});
afterAll(async () => {
  await gateway.stop();
  await upstream.close();
});
afterEach(() => upstream.reset());

/** A provider's golden answer, whole and as events. */
const of = (name: string) => {
  const one = golden(name);
  return { json: JSON.parse(one.answer.toString()), stream: framingOf(one).split(one.stream) };
};
const claude = of('anthropic');
const sse = claude.stream.map(({ event, data }) => `event: ${event ?? ''}\ndata: ${data}\n\n`);
const ask = {
  model: 'claude-test',
  max_tokens: 4000,
  messages: [{ role: 'user' as const, content: 'hi' }],
};
const tools = [{ name: 'weather', input_schema: { type: 'object' as const } }];

async function seen(work: () => Promise<unknown>): Promise<unknown> {
  try {
    return JSON.parse(JSON.stringify(await work()));
  } catch (error) {
    const { status, error: body } = error as { status: unknown; error: { error?: unknown } };
    return { status, error: body.error };
  }
}
async function same(
  script: Script,
  program: (client: Anthropic) => Promise<unknown>,
): Promise<any> {
  upstream.always(script);
  const expected = await seen(() => program(direct));
  expect(await seen(() => program(through))).toEqual(expected);
  return expected;
}
/** The error that a client which tries twice raises in the end, and how often the upstream was asked. */
async function raised(client: Anthropic) {
  const before = upstream.requests.length;
  const error = await client
    .withOptions({ maxRetries: 1 })
    .messages.create(ask)
    .catch((thrown: unknown) => thrown);
  if (!(error instanceof Anthropic.APIError)) throw new Error(`raised ${String(error)}`);
  const body = error.error as { error: unknown; request_id?: string };
  return {
    class: error.constructor.name,
    status: error.status as number,
    type: error.type,
    error: body.error,
    /** It can be told to the operator. */
    named: typeof error.requestID === 'string' && error.requestID === body.request_id,
    asked: upstream.requests.length - before,
  };
}
async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of stream) all.push(item);
  return all;
}

describe('the Anthropic SDK sees the same through the gateway as directly', () => {
  it('in a message with thinking and tools', async () => {
    const message = await same({ json: claude.json }, (client) =>
      client.messages.create({ ...ask, tools, thinking: { type: 'enabled', budget_tokens: 2000 } }),
    );
    expect(message.content).toHaveLength(4);
    const [first, second] = upstream.requests;
    expect(second!.text).toBe(first!.text);
    expect(second!.headers['x-api-key']).toBe('secret-upstream-key');
  });

  it('in a stream, event by event', async () => {
    const events = await same({ sse, done: false }, async (client) =>
      collect(await client.messages.create({ ...ask, stream: true })),
    );
    expect(events.at(-1).type).toBe('message_stop');
    const final = await same({ sse, done: false }, (client) =>
      client.messages.stream(ask).finalMessage(),
    );
    expect(final.content[0].signature).toBe('c2lnbmVk');
  });

  it('in betas and cache marks, which reach the upstream', async () => {
    upstream.always({ json: claude.json });
    const system = [
      { type: 'text' as const, text: 'be brief', cache_control: { type: 'ephemeral' as const } },
    ];
    await through.messages.create(
      { ...ask, system },
      { headers: { 'anthropic-beta': 'one-2025,two-2026' } },
    );
    const [request] = upstream.requests;
    expect(request!.headers['anthropic-beta']).toBe('one-2025,two-2026');
    expect(request!.headers['anthropic-version']).toMatch(/^\d{4}-\d\d-\d\d$/);
    expect(request!.json.system).toEqual(system);
  });

  // What the upstream says of itself (5xx) is a bad gateway here; the SDK has one class for all of these.
  it.each([
    [400, 'invalid_request_error', 400],
    [401, 'authentication_error', 401],
    [402, 'billing_error', 502],
    [403, 'permission_error', 403],
    [404, 'not_found_error', 404],
    [413, 'request_too_large', 413],
    [422, 'invalid_request_error', 422],
    [429, 'rate_limit_error', 429],
    [500, 'api_error', 502],
    [504, 'timeout_error', 504],
    [529, 'overloaded_error', 529],
  ])('in an error with status %d: %s', async (status, type, told) => {
    const body = { type: 'error', error: { type, message: `no ${status}` }, request_id: 'req_1' };
    upstream.always({ status, json: body, headers: { 'request-id': 'req_1' } });
    const expected = await raised(direct);
    const got = await raised(through);
    expect(got).toEqual({
      ...expected,
      status: told,
      class: status === 402 ? 'InternalServerError' : expected.class,
    });
    expect(got.error).toEqual({ type, message: `no ${status}` });
    expect(got.named).toBe(true);
  });

  it('in whether the upstream wants to be asked again, when it says so', async () => {
    const body = { type: 'error', error: { type: 'api_error', message: 'no' } };
    upstream.always({ status: 500, json: body, headers: { 'x-should-retry': 'false' } });
    expect(await raised(direct)).toMatchObject({ asked: 1 });
    expect(await raised(through)).toMatchObject({ asked: 1 });
  });

  it('in errors of the gateway itself, with a request id', async () => {
    const error = await through.messages
      .create({ ...ask, model: 'nobody' })
      .catch((e: unknown) => e as InstanceType<typeof Anthropic.APIError>);
    expect(error).toBeInstanceOf(Anthropic.NotFoundError);
    expect((error as { requestID?: string }).requestID).toBeTruthy();
  });

  it('when the upstream reports an error inside a stream: the SDK raises', async () => {
    const failed = [
      ...sse.slice(0, 7),
      'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n',
    ];
    upstream.always({ sse: failed, done: false, frameDelayMs: 5 });
    const stream = await through.messages.create({ ...ask, stream: true });
    await expect(collect(stream)).rejects.toThrow('Overloaded');
  });

  it('in a count of tokens, fields of a beta and all', async () => {
    const counted = await same(
      { json: { input_tokens: 2095, context_management: { original_input_tokens: 2100 } } },
      (client) =>
        client.messages.countTokens(
          {
            model: 'claude-test',
            messages: ask.messages,
            thinking: { type: 'enabled', budget_tokens: 2000 },
            odd: true,
          } as never,
          { headers: { 'anthropic-beta': 'context-management-2025-06-27' } },
        ),
    );
    expect(counted.input_tokens).toBe(2095);
    const [first, second] = upstream.requests;
    expect(second!.path).toBe('/v1/messages/count_tokens');
    expect(second!.text).toBe(first!.text);
    expect(second!.headers['x-api-key']).toBe('secret-upstream-key');
    expect(second!.headers['anthropic-beta']).toBe('context-management-2025-06-27');
  });

  it('in a count of tokens that the upstream refuses', async () => {
    const error = { type: 'invalid_request_error', message: 'messages: at least one message' };
    const refused = await same({ status: 400, json: { type: 'error', error } }, count);
    expect(refused).toEqual({ status: 400, error });
  });
});

const count = (client: Anthropic, model = 'claude-test') =>
  client.messages.countTokens({ model, messages: ask.messages });

describe('a count of tokens', () => {
  const counted = async (model: string) => {
    const { data, response } = await through.messages
      .countTokens({ model, messages: ask.messages })
      .withResponse();
    return { tokens: data.input_tokens, by: response.headers.get('x-sluice-token-count') };
  };

  it('is made here where the provider fails, or does not count', async () => {
    upstream.always({ status: 500, json: {} });
    const own = await counted('claude-test');
    expect(own).toEqual({ tokens: expect.any(Number), by: 'gateway' });
    expect(own.tokens).toBeGreaterThan(0);
    upstream.reset();
    expect(await counted('gpt-test')).toEqual({ ...own, tokens: expect.any(Number) });
    expect(await counted('nobody-knows-it')).toMatchObject({ by: 'gateway' });
    expect(upstream.requests).toHaveLength(0);
  });

  it('says when it is the provider’s', async () => {
    upstream.always({ json: { input_tokens: 7 } });
    expect(await counted('claude-test')).toEqual({ tokens: 7, by: 'upstream' });
  });
});

describe('Claude Code', () => {
  const asCode = (path: string, init: RequestInit = {}) =>
    fetch(gateway.url + path, {
      ...init,
      headers: {
        'x-api-key': gateway.adminKey,
        'anthropic-version': '2023-06-01',
        'anthropic-beta': 'claude-code-20250219,interleaved-thinking-2025-05-14',
        'x-claude-code-session-id': 'session-1',
        'content-type': 'application/json',
      },
    });

  it('finds its probe without a key', async () => {
    const response = await fetch(`${gateway.url}/api/hello`, { method: 'HEAD' });
    expect(response.status).toBe(200);
    expect(await response.text()).toBe('');
  });

  it('lists the models in Anthropic’s shape', async () => {
    const list = (await (await asCode('/v1/models?limit=1000')).json()) as any;
    expect(list).toMatchObject({ has_more: false });
    expect(list.data).toContainEqual(
      expect.objectContaining({
        type: 'model',
        id: 'claude-test',
        display_name: expect.any(String),
      }),
    );
  });

  it('gets its body to the upstream byte for byte, and the stream back word for word', async () => {
    upstream.always({ sse, done: false });
    // Spaces and order are the client's own; an unknown field, thoughts with signatures, marks, the order of system.
    const body = `{"zeta": 1, "model":"claude-test","stream":true,"max_tokens":32000,"system":[{"type":"text","text":"b"},{"type":"text","text":"a","cache_control":{"type":"ephemeral","ttl":"1h"}}],"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"c2ln"},{"type":"text","text":"ok"}]},{"role":"user","content":[{"type":"text","text":"go on","cache_control":{"type":"ephemeral"}}]}],"metadata":{"user_id":"u"},"context_management":{"edits":[]}}`;
    const response = await asCode('/v1/messages?beta=true', { method: 'POST', body });
    expect(await response.text()).toBe(sse.join(''));
    const [request] = upstream.requests;
    expect(request!.text).toBe(body);
    expect(request!.headers['anthropic-beta']).toBe(
      'claude-code-20250219,interleaved-thinking-2025-05-14',
    );
  });
});

describe('the Anthropic SDK talks to other providers', () => {
  it.each(['gpt-test', 'gemini-test'])(
    '%s: tools, thinking and usage, whole and streamed',
    async (model) => {
      const answer = of(model === 'gpt-test' ? 'openai' : 'gemini');
      upstream.always({ json: answer.json });
      const message = await through.messages.create({ ...ask, model, tools });
      expect(message.stop_reason).toBe('tool_use');
      expect(
        message.content.filter((block) => block.type === 'tool_use').map((block) => block.input),
      ).toEqual([{ city: 'Oslo' }, { city: 'Rome' }]);
      expect(message.usage).toMatchObject({
        input_tokens: 60,
        cache_read_input_tokens: 40,
        output_tokens: 30,
      });
      upstream.always({ sse: answer.stream.map(({ data }) => `data: ${data}\n\n`), done: false });
      const final = await through.messages.stream({ ...ask, model, tools }).finalMessage();
      expect(
        final.content.map((block) => block.type).filter((type) => type !== 'thinking'),
      ).toEqual(['text', 'tool_use', 'tool_use']);
      expect(final.usage).toMatchObject({ input_tokens: 60, output_tokens: 30 });
    },
  );

  it('asks Gemini with its key in a header and the model in the path', async () => {
    upstream.always({ json: of('gemini').json });
    await through.messages.create({ ...ask, model: 'gemini-test' });
    const [request] = upstream.requests;
    expect(request!.path).toBe('/v1beta/models/gemini-2.5-pro:generateContent');
    expect(request!.headers['x-goog-api-key']).toBe('gemini-key');
  });

  it('is refused by the name of a field that a provider lacks, unless it allows the loss', async () => {
    upstream.always({ json: of('openai').json });
    const odd = { ...ask, model: 'gpt-test', container: 'c1' };
    await expect(through.messages.create(odd as never)).rejects.toThrow('container');
    expect(upstream.requests).toHaveLength(0);
    const { response } = await through.messages
      .create(odd as never, { headers: { 'x-sluice-unsupported': 'drop' } })
      .withResponse();
    expect(response.headers.get('x-sluice-dropped')).toBe('container');
  });
});
