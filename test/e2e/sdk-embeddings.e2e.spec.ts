import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import OpenAI from 'openai';
import { startGateway, type GatewayProcess } from '../gateway/gateway-process.js';
import {
  ScriptedUpstream,
  type RecordedRequest,
  type Script,
} from '../upstream/scripted-upstream.js';

let main: ScriptedUpstream;
let spare: ScriptedUpstream;
let gateway: GatewayProcess;
let direct: OpenAI;
let through: OpenAI;

beforeAll(async () => {
  [main, spare] = await Promise.all([ScriptedUpstream.start(), ScriptedUpstream.start()]);
  const model = 'price: { input: 1, output: 0 }, contextTokens: 8192, capabilities: [embeddings]';
  gateway = await startGateway({
    config: `
providers:
  - { id: main, kind: openai, baseUrl: "${main.baseUrl}", auth: none, maxConcurrent: 2, timeout: 300ms }
  - { id: frail, kind: openai, baseUrl: "${main.url}/frail/v1", auth: none }
  - { id: spare, kind: openai, baseUrl: "${spare.baseUrl}", auth: none }
models:
  - { id: embed, provider: main, retries: 0, fallbacks: [embed-spare], ${model} }
  - { id: embed-alone, provider: main, retries: 1, ${model} }
  - { id: embed-frail, provider: frail, retries: 0, fallbacks: [embed-spare], ${model} }
  - { id: embed-spare, provider: spare, retries: 0, ${model} }
routing: { breaker: { minCalls: 20, reset: 60s } }`,
  });
  const options = { apiKey: gateway.adminKey, maxRetries: 0 };
  direct = new OpenAI({ ...options, baseURL: main.baseUrl });
  through = new OpenAI({ ...options, baseURL: `${gateway.url}/v1` });
});
afterAll(async () => {
  await gateway.stop();
  await Promise.all([main.close(), spare.close()]);
});
afterEach(() => {
  main.reset();
  spare.reset();
});

/** Answers each input with a vector that tells its place and who made it. */
const vectors =
  (maker: number): ((request: RecordedRequest) => Script) =>
  ({ json }) => ({
    json: {
      object: 'list',
      model: json.model,
      data: json.input.map((_: unknown, index: number) => ({
        object: 'embedding',
        index,
        embedding: [maker, index],
      })),
      usage: { prompt_tokens: 7, total_tokens: 7 },
    },
  });
/** One text, several, the tokens of one, or the tokens of several. */
const inputsOf = (input: string | string[] | number[] | number[][]): unknown[] =>
  typeof input === 'string' || typeof input[0] === 'number' ? [input] : input;
/** As OpenAI answers: a vector that depends on the text, of the dimensions and in the form that were asked for. */
const numbers = ({ json }: RecordedRequest): Script => ({
  json: {
    object: 'list',
    model: json.model,
    data: inputsOf(json.input).map((input, index) => {
      const seed = JSON.stringify(input).length;
      const vector = Float32Array.from(
        Array.from({ length: json.dimensions ?? 5 }),
        (_, i) => 1 / (seed + i),
      );
      const text = Buffer.from(vector.buffer).toString('base64');
      return {
        object: 'embedding',
        index,
        embedding: json.encoding_format === 'base64' ? text : Array.from(vector),
      };
    }),
    usage: { prompt_tokens: 7, total_tokens: 7 },
  },
});
const FAILS: Script = { status: 500, json: { error: { message: 'broken', type: 'server_error' } } };
const embed = (model: string, input: string | string[], client = through) =>
  client.embeddings.create({ model, input, encoding_format: 'float' });
const makers = async (answer: ReturnType<typeof embed>): Promise<number[]> =>
  (await answer).data.map(({ embedding }) => embedding[0]!);
let texts = 0;
/** A text that no cache knows. */
const fresh = (): string => `text ${texts++}`;

describe('the openai SDK gets embeddings', () => {
  it('as directly, in order and with their usage', async () => {
    main.always(vectors(1));
    const inputs = [fresh(), fresh()];
    const expected = await embed('embed', inputs, direct);
    expect(await embed('embed', inputs)).toEqual(expected);
    expect(expected.usage.prompt_tokens).toBe(7);
  });

  it.each([
    ['in the SDK’s own form, which is base64 on the way', {}],
    ['as floats', { encoding_format: 'float' as const }],
    ['of fewer dimensions', { dimensions: 3, encoding_format: 'float' as const }],
    ['for a user', { user: 'u1', encoding_format: 'float' as const }],
    [
      'in a way that only this server knows',
      { input_type: 'query', encoding_format: 'float' as const },
    ],
  ])('as directly, %s, of texts and of tokens, also from the cache', async (_, extra) => {
    main.always(numbers);
    for (const input of [
      fresh(),
      [fresh(), fresh(), fresh()],
      [1, 2, texts++],
      [[texts++], [4, texts++]],
    ]) {
      const request = { model: 'embed', input, ...extra };
      const expected = await direct.embeddings.create(request);
      main.requests.length = 0;
      expect(await through.embeddings.create(request)).toEqual(expected);
      expect(await through.embeddings.create(request)).toEqual(expected);
      expect(main.requests.map(({ json }) => json)).toEqual([
        { model: 'embed', input: inputsOf(input), ...extra, encoding_format: 'float' },
      ]);
    }
  });

  it('from a fallback when the upstream fails, hangs, or breaks off', async () => {
    spare.always(vectors(2));
    for (const trouble of [FAILS, { hang: 'before' as const }, { reset: true }]) {
      main.always(trouble);
      const { data, response } = await embed('embed', fresh()).withResponse();
      expect(data.data[0]!.embedding).toEqual([2, 0]);
      expect(response.headers.get('x-sluice-provider')).toBe('spare');
    }
  });

  it('from the same upstream when a second try succeeds', async () => {
    main.next(FAILS).always(vectors(1));
    expect(await makers(embed('embed-alone', fresh()))).toEqual([1]);
    expect(main.requests).toHaveLength(2);
  });

  it('or the error of the upstream when nobody can', async () => {
    main.always(FAILS);
    await expect(embed('embed-alone', fresh())).rejects.toMatchObject({
      constructor: OpenAI.InternalServerError,
      message: '502 broken',
    });
    expect(main.requests).toHaveLength(2);
    main.always({ json: { object: 'list', data: [], usage: {} } });
    await expect(embed('embed-alone', fresh())).rejects.toMatchObject({ code: 'upstream_error' });
  });
});

describe('embeddings', () => {
  it('are kept by text: only what is new goes upstream, and the order stays', async () => {
    main.always(vectors(1));
    const [a, b, c] = [fresh(), fresh(), fresh()];
    const first = await embed('embed', [a, c]);
    main.requests.length = 0;
    const answer = await embed('embed', [a, b, c]);
    expect(main.requests.map(({ json }) => json.input)).toEqual([[b]]);
    expect(answer.data.map(({ index }) => index)).toEqual([0, 1, 2]);
    expect([answer.data[0]!.embedding, answer.data[2]!.embedding]).toEqual(
      first.data.map(({ embedding }) => embedding),
    );
    // Other dimensions are other vectors.
    await through.embeddings.create({ model: 'embed', input: a, dimensions: 2 });
    expect(main.requests.at(-1)!.json).toMatchObject({ input: [a], dimensions: 2 });
    // And so are vectors for another purpose, which only some servers know.
    const asQuery = { model: 'embed', input: a, input_type: 'query' };
    await through.embeddings.create(asQuery);
    await through.embeddings.create(asQuery);
    expect(main.requests.map(({ json }) => json.input_type)).toEqual([
      undefined,
      undefined,
      'query',
    ]);
  });

  it('come as floats and as base64 of the same numbers', async () => {
    main.always(vectors(1));
    const text = fresh();
    const floats = await embed('embed', text);
    const raw = await fetch(`${gateway.url}/v1/embeddings`, {
      method: 'POST',
      headers: { authorization: `Bearer ${gateway.adminKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'embed', input: text, encoding_format: 'base64' }),
    });
    const { data } = (await raw.json()) as { data: { embedding: string }[] };
    const bytes = Buffer.from(data[0]!.embedding, 'base64');
    expect([bytes.readFloatLE(0), bytes.readFloatLE(4)]).toEqual(floats.data[0]!.embedding);
  });

  it('of many texts go upstream in batches', async () => {
    main.always(vectors(1));
    const response = await fetch(`${gateway.url}/v1/embeddings/batch`, {
      method: 'POST',
      headers: { authorization: `Bearer ${gateway.adminKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'embed',
        texts: Array.from({ length: 5 }, fresh),
        batch_size: 2,
      }),
    });
    const { data, usage } = (await response.json()) as any;
    expect(main.requests.map(({ json }) => json.input.length)).toEqual([2, 2, 1]);
    expect(data.map(({ embedding }: any) => embedding)).toEqual([
      [1, 0],
      [1, 1],
      [1, 0],
      [1, 1],
      [1, 0],
    ]);
    expect(usage.prompt_tokens).toBe(21);
  });
});

describe('embeddings of one request', () => {
  it('are all of one model: what the cache has of another is made anew', async () => {
    main.always(vectors(1));
    spare.always(vectors(2));
    const known = fresh();
    expect(await makers(embed('embed', known))).toEqual([1]);
    main.always(FAILS);
    expect(await makers(embed('embed', [known, fresh()]))).toEqual([2, 2]);
    // And what a fallback made is not kept under the name of the model that was asked for.
    main.always(vectors(1));
    main.requests.length = 0;
    expect(await makers(embed('embed', known))).toEqual([1]);
    expect(main.requests).toHaveLength(0);
  });
});

describe('an embedding provider', () => {
  it('is never asked more at once than it may be', async () => {
    main.always((request) => ({ ...vectors(1)(request), delayMs: 30 }));
    await Promise.all(Array.from({ length: 8 }, () => embed('embed-alone', fresh())));
    expect(main.peak).toBe(2);
  });

  it('is left alone once its breaker is open', async () => {
    spare.always(vectors(2));
    main.always(FAILS);
    for (let i = 0; i < 30; i++) expect(await makers(embed('embed-frail', fresh()))).toEqual([2]);
    expect(main.requests.length).toBe(20);
    expect(spare.requests).toHaveLength(30);
  });
});
