import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Ajv } from 'ajv';
import fc from 'fast-check';
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import {
  GatewayError,
  MessageAssembler,
  textOf,
  type ChatMessage,
  type Prompt,
  type Target,
  type ToolCallPart,
} from '@sluice/kernel';
import { PromptCounter, TokenCounter } from '@sluice/model-catalog';
import { chatCall, type TestCall } from '../../../testing/engine.bench.js';
import { SandboxAdapter } from './sandbox.adapter.js';
import { proseTokens } from './sandbox.text.js';
import { exampleOf } from './schema.example.js';

const target: Target = {
  model: 'sandbox-small',
  provider: 'sandbox',
  upstream: 'sandbox-small',
  price: undefined,
  grade: 'simple',
  capabilities: [],
  contextTokens: undefined,
  maxOutputTokens: undefined,
};
const tokens = new TokenCounter();
const sandbox = new SandboxAdapter(tokens, new PromptCounter(tokens));
const signal = new AbortController().signal;
beforeAll(() => tokens.warm());
afterAll(async () => {
  await sandbox.close();
  await tokens.close();
});

async function message(test: TestCall): Promise<ChatMessage> {
  const answer = await sandbox.chat(chatCall(test), target, signal);
  if (answer.kind !== 'message') throw new Error('not a message');
  return answer.message;
}
async function stream(
  test: TestCall,
): Promise<{ message: ChatMessage; chunks: number; times: number[] }> {
  const answer = await sandbox.chat(chatCall({ ...test, stream: true }), target, signal);
  if (answer.kind !== 'stream') throw new Error('not a stream');
  const assembler = new MessageAssembler();
  const times: number[] = [];
  for await (const chunk of answer.chunks) {
    assembler.add(chunk);
    times.push(performance.now());
  }
  expect(answer.usage()).toEqual(assembler.usage);
  return { message: assembler.message(), chunks: times.length, times };
}
const textIn = (answer: ChatMessage, choice = 0): string =>
  textOf(answer.choices[choice]?.parts ?? []);
const failure = async (promise: Promise<unknown>): Promise<GatewayError> => {
  const error: unknown = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(GatewayError);
  return error as GatewayError;
};

describe('the sandbox', () => {
  it('answers the same to the same request and something else to another', async () => {
    const first = await message({ text: 'one' });
    expect(await message({ text: 'one' })).toEqual(first);
    expect(textIn(await message({ text: 'two' }))).not.toBe(textIn(first));
  });
  it('says the same streamed and not', async () => {
    for (const prompt of [{}, { n: 2 }, { stop: ['the'] }, { maxTokens: 5 }] as Partial<Prompt>[]) {
      expect((await stream({ text: 'same', prompt })).message).toEqual(
        await message({ text: 'same', prompt }),
      );
    }
  });
  it('reports exact usage', async () => {
    const answer = await message({ text: 'How many tokens?' });
    expect(answer.usage.output).toBe(countTokens(textIn(answer)));
    expect(answer.usage.input).toBe(3 + 3 + countTokens('How many tokens?'));
    expect(answer.usage.estimated).toBe(false);
  });
  it('knows the length of its prose for any seed', () => {
    fc.assert(
      fc.property(fc.nat(400), fc.nat(), (count, seed) => {
        expect(countTokens(proseTokens(count, seed).join(''))).toBe(count);
      }),
      { numRuns: 300 },
    );
  });

  it('keeps to max_tokens, n and stop', async () => {
    const short = await message({ prompt: { maxTokens: 7 } });
    expect(short.choices[0]?.finish).toBe('length');
    expect(short.usage.output).toBe(7);
    const two = await message({ prompt: { n: 2 } });
    expect(two.choices.map((c) => c.index)).toEqual([0, 1]);
    expect(textIn(two, 0)).not.toBe(textIn(two, 1));
    const whole = textIn(await message({ text: '[[sandbox tokens=60]]' }));
    const word = whole.split(' ')[10]!;
    const stopped = await message({ text: '[[sandbox tokens=60]]', prompt: { stop: [word] } });
    expect(stopped.choices[0]).toMatchObject({ finish: 'stop', stopSequence: word });
    expect(textIn(stopped)).not.toContain(word);
    expect(stopped.usage.output).toBe(countTokens(textIn(stopped)));
  });
  it('calls the tool that it must call, with arguments that satisfy the schema', async () => {
    const parameters = {
      type: 'object',
      properties: {
        city: { type: 'string', minLength: 10 },
        days: { type: 'integer', minimum: 3 },
        x: {},
      },
      required: ['city', 'days'],
    };
    const tools = [{ name: 'other' }, { name: 'weather', parameters }];
    const named = { tools, toolChoice: { type: 'tool' as const, name: 'weather' } };
    const { message: streamed } = await stream({ prompt: named });
    const answer = await message({ prompt: named });
    expect(streamed).toEqual(answer);
    const call = answer.choices[0]?.parts[0] as ToolCallPart;
    expect(call.name).toBe('weather');
    expect(new Ajv().validate(parameters, JSON.parse(call.arguments))).toBe(true);
    expect(answer.choices[0]?.finish).toBe('tool_calls');
    const required = await message({ prompt: { tools, toolChoice: { type: 'required' } } });
    expect((required.choices[0]?.parts[0] as ToolCallPart).name).toBe('other');
    const free = await message({ prompt: { tools, toolChoice: { type: 'auto' } } });
    expect(free.choices[0]?.parts[0]?.type).toBe('text');
  });
  it('answers with JSON where it is asked to', async () => {
    const schema = { type: 'object', properties: { a: { enum: [4] } }, required: ['a'] };
    const format = { type: 'json_schema' as const, name: 's', schema };
    expect(textIn(await message({ prompt: { responseFormat: format } }))).toBe('{"a":4}');
    expect(
      JSON.parse(textIn(await message({ prompt: { responseFormat: { type: 'json' } } }))),
    ).toEqual({ answer: 'sandbox' });
    const cut = await message({ prompt: { responseFormat: format, maxTokens: 2 } });
    expect(cut.choices[0]?.finish).toBe('length');
    expect(cut.usage.output).toBeLessThanOrEqual(2);
  });

  it('takes its time as told: to the first token and between tokens', async () => {
    const started = performance.now();
    const { times, message: answer } = await stream({
      text: '[[sandbox latency=80ms tokens=10 rate=100/s]]',
    });
    expect(times[0]! - started).toBeGreaterThan(75);
    expect(times.at(-1)! - times[0]!).toBeGreaterThan(80);
    expect(answer.usage.output).toBe(10);
    const before = performance.now();
    await message({ text: '[[sandbox latency=10ms tokens=10 rate=100/s]]' });
    expect(performance.now() - before).toBeGreaterThan(100);
  });
  it('is quick by itself', async () => {
    const started = performance.now();
    await message({ text: 'quick' });
    expect(performance.now() - started).toBeLessThan(2_000);
  });
  it('fails as told', async () => {
    expect(await failure(message({ text: '[[sandbox fail=429]]' }))).toMatchObject({
      code: 'rate_limited',
      upstream: { status: 429 },
    });
    expect(await failure(message({ text: '[[sandbox fail=500]]' }))).toMatchObject({
      code: 'upstream_error',
      upstream: { status: 500 },
    });
    expect((await failure(message({ text: '[[sandbox fail=timeout]]' }))).code).toBe(
      'upstream_timeout',
    );
    expect((await failure(message({ text: '[[sandbox fail=cut]]' }))).code).toBe('upstream_error');
  });
  it('fails in the middle of a stream, and only as often as told', async () => {
    const text = '[[sandbox tokens=20 fail=cut after=5 repeat=2]]';
    for (let i = 0; i < 2; i++) {
      const answer = await sandbox.chat(chatCall({ text, stream: true }), target, signal);
      let texts = 0;
      const reading = (async () => {
        if (answer.kind !== 'stream') return;
        for await (const chunk of answer.chunks) if (chunk.events[0]?.type === 'text') texts++;
      })();
      expect((await failure(reading)).code).toBe('upstream_error');
      expect(texts).toBe(5);
    }
    expect((await stream({ text })).message.usage.output).toBe(20);
    expect((await failure(stream({ text: '[[sandbox fail=500]]' }))).code).toBe('upstream_error');
  });
  it('refuses directives that it does not know', async () => {
    for (const text of [
      '[[sandbox speed=1]]',
      '[[sandbox tokens=x]]',
      '[[sandbox rate=0]]',
      '[[sandbox latency=9]]',
      '[[sandbox fail=418]]',
      '[[sandbox tokens=999999]]',
    ]) {
      expect((await failure(message({ text }))).code).toBe('invalid_request');
    }
    expect((await message({ text: '[[sandbox]]' })).choices).toHaveLength(1);
  });
  it('stops when the caller leaves', async () => {
    const leaving = new AbortController();
    const pending = sandbox.chat(
      chatCall({ text: '[[sandbox latency=60s]]' }),
      target,
      leaving.signal,
    );
    leaving.abort();
    await expect(pending).rejects.toThrow();
  });
  it('embeds the same text as the same unit vector, and texts with the same words near each other', async () => {
    const { vectors, usage } = await sandbox.embed(
      { inputs: ['a red car', 'the red car', 'loud music', [1, 2], ''] },
      target,
      signal,
    );
    for (const vector of vectors) expect(Math.hypot(...vector)).toBeCloseTo(1, 9);
    const dot = (a: readonly number[], b: readonly number[]): number =>
      a.reduce((sum, x, i) => sum + x * b[i]!, 0);
    expect(dot(vectors[0]!, vectors[1]!)).toBeGreaterThan(dot(vectors[0]!, vectors[2]!));
    expect(usage.input).toBe(3 + 3 + countTokens('loud music') + 2);
    expect(
      (await sandbox.embed({ inputs: ['x'], dimensions: 8 }, target, signal)).vectors[0],
    ).toHaveLength(8);
  });
});

describe('exampleOf', () => {
  const ajv = new Ajv({ strict: false, validateFormats: false });
  it.each<[string, object]>([
    ['const', { const: { a: 1 } }],
    ['type list', { type: ['string', 'null'] }],
    [
      'nested',
      {
        type: 'object',
        properties: {
          a: { type: 'object', properties: { b: { type: 'boolean' } }, required: ['b'] },
        },
        required: ['a'],
      },
    ],
    ['array', { type: 'array', minItems: 2, items: { type: 'integer' } }],
    [
      'tuple',
      { type: 'array', prefixItems: [{ type: 'string' }, { type: 'number' }], minItems: 2 },
    ],
    ['bounds', { type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 0.5 }],
    ['steps', { type: 'integer', minimum: 11, multipleOf: 5 }],
    ['negative', { type: 'integer', maximum: -3 }],
    ['string bounds', { type: 'string', minLength: 12, maxLength: 14 }],
    ['short string', { type: 'string', maxLength: 2 }],
    ['anyOf', { anyOf: [{ type: 'number' }, { type: 'string' }] }],
    [
      'oneOf with properties',
      {
        type: 'object',
        properties: { a: { type: 'string' } },
        required: ['a'],
        oneOf: [{ required: ['b'], properties: { b: { type: 'null' } } }],
      },
    ],
    [
      'allOf',
      {
        allOf: [
          { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] },
          { required: ['b'], properties: { b: { type: 'integer' } } },
        ],
      },
    ],
    [
      'reference',
      {
        $defs: { p: { type: 'object', properties: { x: { type: 'number' } }, required: ['x'] } },
        type: 'object',
        properties: { p: { $ref: '#/$defs/p' } },
        required: ['p'],
      },
    ],
    [
      'recursion',
      {
        $defs: {
          node: {
            type: 'object',
            properties: { next: { anyOf: [{ $ref: '#/$defs/node' }, { type: 'null' }] } },
            required: ['next'],
          },
        },
        $ref: '#/$defs/node',
      },
    ],
    ['no type', { properties: { a: { format: 'date' } }, required: ['a'] }],
    ['empty', {}],
  ])('satisfies %s', (_, schema) => {
    expect(ajv.validate(schema, exampleOf(schema))).toBe(true);
  });
});
