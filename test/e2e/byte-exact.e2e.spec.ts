import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { gzipSync } from 'node:zlib';
import { parseExact } from '@sluice/kernel';
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
  - { id: a, kind: anthropic, baseUrl: "${upstream.url}", apiKey: k }
models:
  - { id: chat, provider: o, upstream: chat, price: { input: 1, output: 2 }, retries: 0 }
  - { id: renamed, provider: o, upstream: real-name, price: { input: 1, output: 2 }, retries: 0 }
  - { id: steady, provider: o, upstream: chat, price: { input: 1, output: 2 }, retries: 1 }
  - { id: claude, provider: a, upstream: claude, price: { input: 1, output: 2 }, retries: 0 }
  - { id: opus, provider: a, upstream: claude-real, price: { input: 1, output: 2 }, retries: 0 }
cache: { ttl: { default: 1h } }
`,
  });
});
afterAll(async () => {
  await gateway.stop();
  await upstream.close();
});
afterEach(() => upstream.reset());

/** White space, digits beyond 2^53, 1.0, numeric-like keys, escapes that need not be, unknown fields. */
const ODD = String.raw`"zeta" : {"b": 1.0, "a":1e2,"10":9007199254740993,"2":-0.0}, "text":"\u00e9\/\ud83d\ude00 é" `;
const MESSAGES = String.raw`"seed":18446744073709551615,"messages":[ {"role":"user", "content":"h\u0069 \"model\":\"x\""} ]`;

let asked = 0;
async function post(path: string, body: string, init: { headers?: object; body?: Buffer } = {}) {
  const response = await fetch(gateway.url + path, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${gateway.adminKey}`,
      'content-type': 'application/json',
      // Each question is a new one, unless a test says otherwise.
      'x-sluice-cache-namespace': `n${asked++}`,
      ...init.headers,
    },
    body: init.body ?? body,
  });
  return { response, text: await response.text() };
}

const CHAT_ANSWER = `{ "id":"c1","object":"chat.completion","created":1760000000,"model":"m", ${ODD},
  "choices":[{"index":0,"message":{"role":"assistant","content":"\\u0068ello","odd":12345678901234567890},"finish_reason":"stop"}],
  "usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11,"cost":0.00010} }`;
const MESSAGE_ANSWER = `{ "id":"m1","type":"message","role":"assistant","model":"m", ${ODD},
  "content":[{"type":"text","text":"\\u0068ello"},{"type":"tool_use","id":"t","name":"f","input":{"n":12345678901234567890}}],
  "stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":2} }`;

describe('what an upstream of the caller’s dialect is told', () => {
  it.each([
    ['/v1/chat/completions', 'chat', CHAT_ANSWER],
    ['/v1/messages', 'claude', MESSAGE_ANSWER],
  ])('at %s is the body byte for byte', async (path, model, answer) => {
    upstream.always({ body: answer });
    const body = `\n{ ${ODD}, "model" :"${model}", "max_tokens":16, ${MESSAGES} }\n`;
    expect((await post(path, body)).response.status).toBe(200);
    expect(upstream.requests[0]!.text).toBe(body);
  });

  it.each([
    ['/v1/chat/completions', 'renamed', 'real-name', CHAT_ANSWER],
    ['/v1/messages', 'opus', 'claude-real', MESSAGE_ANSWER],
    ['/v1/messages/count_tokens', 'opus', 'claude-real', '{"input_tokens":3}'],
  ])('at %s is the body but for the model’s name', async (path, model, real, answer) => {
    upstream.always({ body: answer });
    const body = (name: string) =>
      `{ ${ODD}, "model" : "${name}" ,"max_tokens":16,"nested":{"model":"${model}"}, ${MESSAGES} }`;
    expect((await post(path, body(model))).response.status).toBe(200);
    expect(upstream.requests[0]!.text).toBe(body(real));
  });

  it('gains only the question for usage in a stream', async () => {
    const body = `{ "model":"chat","stream":true , ${MESSAGES}, ${ODD}}`;
    expect((await post('/v1/chat/completions', body)).response.status).toBe(200);
    expect(upstream.requests[0]!.text).toBe(
      `{ "model":"chat","stream":true , ${MESSAGES}, ${ODD.trimEnd()},"stream_options":{"include_usage":true} }`,
    );
    const wanting = `{ "model":"chat","stream":true,"stream_options":{ "include_usage" : true }, ${MESSAGES}}`;
    await post('/v1/chat/completions', wanting);
    expect(upstream.requests[1]!.text).toBe(wanting);
  });

  it('is what a compressed body unpacks to', async () => {
    const body = `{ "model":"chat", ${ODD}, ${MESSAGES} }`;
    const packed = { headers: { 'content-encoding': 'gzip' }, body: gzipSync(body) };
    expect((await post('/v1/chat/completions', body, packed)).response.status).toBe(200);
    expect(upstream.requests[0]!.text).toBe(body);
  });

  it('is what the gateway has checked where a key stands twice', async () => {
    const body = `{"model":"renamed","model":"chat", ${MESSAGES}}`;
    expect((await post('/v1/chat/completions', body)).response.status).toBe(200);
    expect(upstream.requests[0]!.text).toBe(JSON.stringify(parseExact(body)));
  });

  it('is the same at a second attempt', async () => {
    upstream.next({ status: 503, json: {} });
    const body = (model: string) => `{ "model": "${model}", ${ODD}, ${MESSAGES} }`;
    const { response } = await post('/v1/chat/completions', body('steady'));
    expect(response.status).toBe(200);
    expect(upstream.requests.map(({ text }) => text)).toEqual([body('chat'), body('chat')]);
  });
});

describe('a number in the arguments of a tool keeps its digits in every translation', () => {
  const BIG = '12345678901234567890';
  const turn = `"max_tokens":9,"tools":[{"name":"f","input_schema":{"type":"object","properties":{"n":{"const":${BIG}}}}}],"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{"n":${BIG}}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"ok"}]}]`;
  const chatTurn = `"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"n":{"const":${BIG}}}}}}],"messages":[{"role":"user","content":"x"},{"role":"assistant","content":null,"tool_calls":[{"id":"t","type":"function","function":{"name":"f","arguments":"{\\"n\\":${BIG}}"}}]},{"role":"tool","tool_call_id":"t","content":"ok"}]`;
  const arguments_ = String.raw`"arguments":"{\"n\":${BIG}}"`;

  it('from Messages to Chat Completions and back', async () => {
    upstream.always({
      body: `{"id":"c","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"t","type":"function","function":{"name":"f",${arguments_}}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`,
    });
    const { text } = await post('/v1/messages', `{"model":"chat",${turn}}`);
    expect(upstream.requests[0]!.text).toContain(arguments_);
    expect(upstream.requests[0]!.text).toContain(`"const":${BIG}`);
    expect(text).toContain(`"input":{"n":${BIG}}`);
  });

  it('from Chat Completions to Messages and back', async () => {
    upstream.always({ body: MESSAGE_ANSWER });
    const { text } = await post('/v1/chat/completions', `{"model":"claude",${chatTurn}}`);
    expect(upstream.requests[0]!.text).toContain(`"input":{"n":${BIG}}`);
    expect(upstream.requests[0]!.text).toContain(`"const":${BIG}`);
    expect(text).toContain(arguments_);
  });
});

describe('what a caller of the upstream’s dialect is told', () => {
  it.each([
    ['/v1/chat/completions', 'chat', CHAT_ANSWER],
    ['/v1/messages', 'claude', MESSAGE_ANSWER],
  ])('at %s is the answer byte for byte, from the cache too', async (path, model, answer) => {
    upstream.always({ body: answer });
    const headers = { 'x-sluice-cache-namespace': 'again' };
    const ask = () => post(path, `{"model":"${model}","max_tokens":9,${MESSAGES}}`, { headers });
    const [first, second] = [await ask(), await ask()];
    expect([first.text, second.text]).toEqual([answer, answer]);
    expect(first.response.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(second.response.headers.get('x-sluice-cache')).toBe('hit');
    expect(second.response.headers.get('content-type')).toBe('application/json; charset=utf-8');
  });

  it('is the same answer when it is replayed by its idempotency key', async () => {
    upstream.always({ body: CHAT_ANSWER });
    const ask = () =>
      post('/v1/chat/completions', `{"model":"chat",${MESSAGES}}`, {
        headers: { 'idempotency-key': 'once' },
      });
    const [first, second] = [await ask(), await ask()];
    expect([first.text, second.text]).toEqual([CHAT_ANSWER, CHAT_ANSWER]);
    expect(second.response.headers.get('content-type')).toBe('application/json; charset=utf-8');
    const facts = (response: Response) =>
      ['idempotent-replayed', 'x-sluice-cache', 'x-sluice-model', 'x-sluice-cost-usd'].map((name) =>
        response.headers.get(name),
      );
    expect(facts(first.response)).toEqual([null, 'miss', 'chat', '0.000013']);
    expect(facts(second.response)).toEqual(['true', 'hit', 'chat', '0.000000']);
    expect(upstream.requests).toHaveLength(1);
  });

  it.each([
    ['with usage, which was asked for', true],
    ['without usage, which was not', false],
  ])('in a Chat Completions stream is each frame, %s', async (_, usage) => {
    const frame = (rest: string) =>
      `{ "id":"c","object":"chat.completion.chunk","created":1,"model":"m", ${ODD}, ${rest} }`;
    const said = [
      frame('"choices":[{"index":0,"delta":{"role":"assistant","content":"\\u0068i"}}]'),
      frame('"choices":[{"index":0,"delta":{"n":12345678901234567890},"finish_reason":"stop"}]'),
    ];
    const total = frame(
      '"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2.0,"total_tokens":3}',
    );
    const sent = (frames: string[]) => frames.map((data) => `data: ${data}\n\n`);
    upstream.always({ sse: sent([...said, total]) });
    const options = usage ? ',"stream_options":{"include_usage":true}' : '';
    const { text } = await post(
      '/v1/chat/completions',
      `{"model":"chat","stream":true${options},${MESSAGES}}`,
    );
    expect(text).toBe(sent([...said, ...(usage ? [total] : []), '[DONE]']).join(''));
  });

  it('where usage comes with the last words, loses the usage alone', async () => {
    const last = (usage: string) =>
      `data: { "id":"c","created":1,"model":"m", ${ODD}, "choices":[{"index":0,"delta":{"content":"\\u0068i"},"finish_reason":"stop"}]${usage} }\n\n`;
    upstream.always({
      sse: [last(',"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}')],
    });
    const { text } = await post(
      '/v1/chat/completions',
      `{"model":"chat","stream":true,${MESSAGES}}`,
    );
    expect(text).toBe(`${last('')}data: [DONE]\n\n`);
  });

  it('in a Messages stream is each event', async () => {
    const events = [
      `event: message_start\ndata: {"type":"message_start", ${ODD}, "message":{"id":"m","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"usage":{"input_tokens":9,"output_tokens":1}}}\n\n`,
      `event: content_block_start\ndata: { "type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n`,
      `event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\\u0068i","n":12345678901234567890}}\n\n`,
      `event: content_block_stop\ndata: {"type":"content_block_stop","index":0 }\n\n`,
      `event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":2.0}}\n\n`,
      `event: message_stop\ndata: { "type":"message_stop"}\n\n`,
    ];
    upstream.always({ sse: events, done: false });
    const { text } = await post(
      '/v1/messages',
      `{"model":"claude","stream":true,"max_tokens":9,${MESSAGES}}`,
    );
    expect(text).toBe(events.join(''));
  });
});
