import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import OpenAI from 'openai';
import { startGateway, upstreamConfig, type GatewayProcess } from '../gateway/gateway-process.js';
import { chatAnswer, responsesAnswer, type Said } from '../upstream/answer-fixtures.js';
import { ScriptedUpstream, type Script } from '../upstream/scripted-upstream.js';
import { framingOf } from '../dialects/framing.js';
import { golden } from '../dialects/golden.js';

let upstream: ScriptedUpstream;
let gateway: GatewayProcess;
let direct: OpenAI;
let through: OpenAI;

beforeAll(async () => {
  upstream = await ScriptedUpstream.start();
  gateway = await startGateway({
    config: `${upstreamConfig(upstream.url)}\ncache: { enabled: false }\nrouting: { breaker: { minCalls: 1000000 } }`,
  });
  direct = new OpenAI({ apiKey: 'k', baseURL: upstream.baseUrl, maxRetries: 0 });
  through = new OpenAI({ apiKey: gateway.adminKey, baseURL: `${gateway.url}/v1`, maxRetries: 0 });
});
afterAll(async () => {
  await gateway.stop();
  await upstream.close();
});
afterEach(() => upstream.reset());

const messages = [{ role: 'user' as const, content: 'hi' }];
const model = 'gpt-test';
const recorded = golden('openai');
const answer = { json: JSON.parse(recorded.answer.toString()) };
const frames = framingOf(recorded)
  .split(recorded.stream)
  .slice(0, -1)
  .map(({ data }) => JSON.parse(data) as object);
const tools = [
  { type: 'function' as const, function: { name: 'weather', parameters: { type: 'object' } } },
];

/** What a program sees: a value, or the error that its SDK raised. */
async function seen(work: () => Promise<unknown>): Promise<unknown> {
  try {
    return JSON.parse(JSON.stringify(await work()));
  } catch (error) {
    const { status, code, type, param, message, name } = error as Record<string, unknown>;
    return { raised: name, status, code, type, param, message };
  }
}

/** The same program against the upstream and through the gateway sees the same. */
async function same(script: Script, program: (client: OpenAI) => Promise<unknown>): Promise<any> {
  upstream.always(script);
  const expected = await seen(() => program(direct));
  expect(await seen(() => program(through))).toEqual(expected);
  return expected;
}

/** The error that a client which tries twice raises in the end, and how often the upstream was asked. */
async function raised(client: OpenAI) {
  const before = upstream.requests.length;
  const error = await client
    .withOptions({ maxRetries: 1 })
    .chat.completions.create({ model, messages })
    .catch((thrown: unknown) => thrown);
  if (!(error instanceof OpenAI.APIError)) throw new Error(`raised ${String(error)}`);
  const { status, code, type, param, message } = error;
  return {
    class: error.constructor.name,
    ...{ status: status as number, code, type, param, message },
    /** It can be told to the operator. */
    named: typeof error.requestID === 'string',
    asked: upstream.requests.length - before,
  };
}

async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of stream) all.push(item);
  return all;
}

describe('the openai SDK sees the same through the gateway as directly', () => {
  it.each([
    ['a completion with parallel tool calls', { tools }],
    [
      'vision content',
      {
        messages: [
          {
            role: 'user' as const,
            content: [
              { type: 'image_url' as const, image_url: { url: 'data:image/png;base64,AAAA' } },
            ],
          },
        ],
      },
    ],
    [
      'output by JSON schema',
      { response_format: { type: 'json_schema' as const, json_schema: { name: 'r', schema: {} } } },
    ],
    ['n = 2', { n: 2 }],
    ['logprobs', { logprobs: true, top_logprobs: 2 }],
  ])('in %s', async (_, extra) => {
    const seenDirectly = await same({ json: answer.json }, (client) =>
      client.chat.completions.create({ model, messages, ...extra }),
    );
    expect(seenDirectly.choices[0].message.tool_calls).toHaveLength(2);
    const [first, second] = upstream.requests;
    expect(second!.json).toEqual(first!.json);
  });

  it('in a stream with usage', async () => {
    const chunks = await same({ sse: frames }, async (client) =>
      collect(
        await client.chat.completions.create({
          model,
          messages,
          stream: true,
          stream_options: { include_usage: true },
        }),
      ),
    );
    expect(chunks).toHaveLength(frames.length);
    expect(chunks.at(-1).usage.total_tokens).toBe(130);
  });

  it('in a stream without usage: what the gateway asked for itself is taken out again', async () => {
    upstream.always({ sse: frames });
    const chunks = await collect(
      await through.chat.completions.create({ model, messages, stream: true }),
    );
    expect(upstream.requests[0]!.json.stream_options).toEqual({ include_usage: true });
    expect(chunks).toHaveLength(frames.length - 1);
    expect(chunks.every((chunk) => !('usage' in chunk))).toBe(true);
  });

  it('in what its helper assembles from a stream', async () => {
    const done = await same({ sse: frames }, (client) =>
      client.chat.completions
        .stream({ model, messages, tools, stream_options: { include_usage: true } })
        .finalChatCompletion(),
    );
    expect(done.choices[0].message.tool_calls[1].function.arguments).toBe('{"city":"Rome"}');
  });

  // What the upstream says of itself (5xx) is a bad gateway here; the SDK has one class for all of these.
  it.each([
    [400, 400],
    [401, 401],
    [403, 403],
    [404, 404],
    [409, 409],
    [413, 413],
    [422, 422],
    [429, 429],
    [500, 502],
    [503, 502],
    [529, 502],
  ])('in an error with status %d', async (status, told) => {
    const body = {
      error: { message: `no ${status}`, type: 'some_error', param: 'messages', code: 'some_code' },
    };
    upstream.always({ status, json: body, headers: { 'x-request-id': 'req_1' } });
    const expected = await raised(direct);
    const got = await raised(through);
    expect(got).toEqual({ ...expected, status: told, message: `${told} no ${status}` });
    expect(got.named).toBe(true);
  });

  it('but for the operator’s unpaid bill, which is no fault of the caller’s and not repeated', async () => {
    const json = { error: { message: 'no balance', type: 'e', param: null, code: 'c' } };
    upstream.always({ status: 402, json });
    expect(await raised(direct)).toMatchObject({ status: 402, asked: 1 });
    expect(await raised(through)).toMatchObject({ status: 502, code: 'c', asked: 1 });
  });

  it('in whether the upstream wants to be asked again, when it says so', async () => {
    const json = { error: { message: 'no', type: 'server_error', param: null, code: null } };
    upstream.always({ status: 500, json, headers: { 'x-should-retry': 'false' } });
    expect(await raised(direct)).toMatchObject({ asked: 1 });
    expect(await raised(through)).toMatchObject({ asked: 1 });
  });

  it('when it leaves in the middle of a stream: the upstream is closed', async () => {
    upstream.always({ sse: frames, frameDelayMs: 50, hang: 'after' });
    const stream = await through.chat.completions.create({ model, messages, stream: true });
    for await (const _ of stream) break;
    await upstream.requests[0]!.closed;
    expect(upstream.requests[0]!.aborted).toBe(true);
  });

  it('when the upstream dies in the middle of a stream: the SDK raises', async () => {
    upstream.always({ sse: frames, frameDelayMs: 20, cutAfterBytes: 700 });
    const stream = await through.chat.completions.create({ model, messages, stream: true });
    await expect(collect(stream)).rejects.toThrow();
  });
});

/** The same words on both routes: the gateway asks this upstream through Chat Completions. */
function saysOnBoth(said: Said): void {
  upstream.always(({ path, json }) => {
    const told = path.endsWith('/responses') ? responsesAnswer(said) : chatAnswer(said);
    return json.stream === true ? told.streamed : told.whole;
  });
}

describe('the openai SDK sees in responses the same through the gateway as directly', () => {
  const asked = {
    model,
    input: 'hi',
    tools: [{ type: 'function' as const, name: 'weather', parameters: {}, strict: false }],
  };
  const told = ({ status, output, output_text: text, usage }: OpenAI.Responses.Response) => ({
    status,
    text,
    calls: output.flatMap((item) =>
      item.type === 'function_call'
        ? [{ id: item.call_id, name: item.name, arguments: item.arguments, status: item.status }]
        : [],
    ),
    usage,
  });
  const said: Said = {
    text: 'Looking it up.',
    calls: [{ id: 'call_Oslo', name: 'weather', input: { city: 'Oslo' } }],
  };

  it.each([
    ['a text', { text: 'Good day.' }],
    ['calls of tools', said],
  ])('in %s', async (_, words) => {
    saysOnBoth(words);
    const expected = told(await direct.responses.create(asked));
    expect(told(await through.responses.create(asked))).toEqual(expected);
    expect(expected.text).toBe(words.text);
  });

  it('in a stream, event by event and assembled', async () => {
    saysOnBoth(said);
    const [expected, got] = await Promise.all(
      [direct, through].map(async (client) => {
        const stream = client.responses.stream(asked);
        const deltas = (await collect(stream)).flatMap((event) =>
          'delta' in event ? [`${event.type} ${event.delta}`] : [],
        );
        return { deltas, ...told(await stream.finalResponse()) };
      }),
    );
    expect(got).toEqual(expected);
    expect(expected!.deltas).toContain('response.output_text.delta Looking');
  });
});

describe('other routes through the openai SDK', () => {
  it('answer a response with tool calls and usage', async () => {
    upstream.always({ json: answer.json });
    const response = await through.responses.create({
      model,
      input: 'hi',
      tools: [{ type: 'function', name: 'weather', parameters: {}, strict: false }],
    });
    expect(response.output_text).toBe('Looking it up.');
    expect(
      response.output.filter((item) => item.type === 'function_call').map((item) => item.arguments),
    ).toEqual(['{"city":"Oslo"}', '{"city":"Rome"}']);
    expect(response.usage).toMatchObject({ input_tokens: 100, output_tokens: 30 });
  });

  it('stream a response that its helper assembles', async () => {
    upstream.always({ sse: frames });
    const stream = through.responses.stream({ model, input: 'hi' });
    const events = await collect(stream);
    const final = await stream.finalResponse();
    expect(final.output_text).toBe('Looking it up.');
    expect(events.map(({ type }) => type)).toEqual(
      expect.arrayContaining([
        'response.created',
        'response.output_text.delta',
        'response.function_call_arguments.done',
        'response.completed',
      ]),
    );
  });

  it('raise for a response that continues an unknown one', async () => {
    await expect(
      through.responses.create({ model, input: 'hi', previous_response_id: 'resp_x' }),
    ).rejects.toMatchObject({ status: 400, param: 'previous_response_id' });
  });

  it('raise for a response stream that breaks', async () => {
    upstream.always({ sse: frames, frameDelayMs: 20, cutAfterBytes: 1500 });
    const stream = await through.responses.create({ model, input: 'hi', stream: true });
    await expect(collect(stream)).rejects.toThrow();
  });

  it('answer and stream legacy completions', async () => {
    upstream.always({ json: answer.json });
    const completion = await through.completions.create({ model, prompt: 'Say: ', echo: true });
    expect(completion.choices[0]!.text).toBe('Say: Looking it up.');
    expect(upstream.requests[0]!.json.messages).toEqual([{ role: 'user', content: 'Say: ' }]);
    upstream.always({ sse: frames });
    const chunks = await collect(
      await through.completions.create({ model, prompt: 'x', stream: true }),
    );
    expect(chunks.map((chunk) => chunk.choices[0]?.text ?? '').join('')).toBe('Looking it up.');
    await expect(
      through.completions.create({ model, prompt: 'x', suffix: 'y' }),
    ).rejects.toMatchObject({ status: 400, param: 'suffix' });
  });

  it('embed texts, as floats and as base64', async () => {
    const embeddings = await through.embeddings.create({ model: 'embed-test', input: ['a', 'b'] });
    expect(embeddings.data).toHaveLength(2);
    expect(embeddings.data[0]!.embedding.every((x) => typeof x === 'number')).toBe(true);
    const floats = await through.embeddings.create({
      model: 'embed-test',
      input: ['a', 'b'],
      encoding_format: 'float',
    });
    expect(floats.data[1]!.embedding.length).toBe(embeddings.data[1]!.embedding.length);
  });
});
