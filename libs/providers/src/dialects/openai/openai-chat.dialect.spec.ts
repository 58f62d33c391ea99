import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { GatewayError, type Prompt, type Target } from '@sluice/kernel';
import { chatChunks, chatCompletion } from '../../../../../test/upstream/openai-fixtures.js';
import { chatCall, type TestCall } from '../../../testing/engine.bench.js';
import { OpenAiChatDialect } from './openai-chat.dialect.js';

const target: Target = {
  model: 'm',
  provider: 'p',
  upstream: 'up/stream 1',
  price: undefined,
  grade: undefined,
  capabilities: [],
  contextTokens: undefined,
  maxOutputTokens: undefined,
};
const compatible = new OpenAiChatDialect({
  id: 'p',
  baseUrl: 'http://127.0.0.1:1/v1',
  flavor: 'openai',
});
const own = new OpenAiChatDialect({
  id: 'p',
  baseUrl: 'https://api.openai.com/v1',
  flavor: 'openai',
});
const azure = new OpenAiChatDialect({
  id: 'p',
  baseUrl: 'https://x.openai.azure.com',
  flavor: 'azure',
  apiVersion: '2025-01-01',
});
const foreign = (prompt: Partial<Prompt>, more: TestCall = {}): TestCall => ({
  dialect: 'anthropic',
  prompt,
  ...more,
});
const bodyOf = (test: TestCall, dialect = compatible): Record<string, unknown> =>
  dialect.request(chatCall(test), target).body ?? {};
const refusal = (test: TestCall, dialect = compatible): GatewayError => {
  try {
    bodyOf(test, dialect);
  } catch (error) {
    return error as GatewayError;
  }
  throw new Error('not refused');
};

describe('a request in the same dialect', () => {
  it('goes through but for the model name', () => {
    const body = { model: 'm', messages: [{ role: 'user', content: 'x' }], whatever: { a: [1] } };
    expect(bodyOf({ body })).toEqual({ ...body, model: 'up/stream 1' });
  });
  it('asks for usage when it streams, and keeps the caller’s other stream options', () => {
    const body = {
      model: 'm',
      messages: [],
      stream: true,
      stream_options: { include_obfuscation: false },
    };
    expect(bodyOf({ body, stream: true })).toMatchObject({
      stream: true,
      stream_options: { include_obfuscation: false, include_usage: true },
    });
  });
});

describe('a request from another dialect', () => {
  it('is translated with tools, results, images, files, sound and schemas', () => {
    const body = bodyOf(
      foreign({
        messages: [
          {
            role: 'system',
            parts: [
              { type: 'text', text: 's1' },
              { type: 'text', text: 's2' },
            ],
          },
          {
            role: 'user',
            name: 'bob',
            parts: [
              { type: 'text', text: 'look' },
              { type: 'image', data: 'AAA', mediaType: 'image/jpeg', detail: 'low' },
              { type: 'image', url: 'https://x/y.png' },
              { type: 'audio', data: 'BBB', format: 'wav' },
              { type: 'file', data: 'CCC', name: 'a.pdf' },
              { type: 'file', fileId: 'f1' },
            ],
          },
          {
            role: 'assistant',
            parts: [
              { type: 'reasoning', text: 'hm', signature: 'sig' },
              { type: 'tool_call', id: 'c1', name: 'f', arguments: '{"a":1}' },
              { type: 'tool_call', id: 'c2', name: 'g', arguments: '{}' },
            ],
          },
          {
            role: 'user',
            parts: [
              { type: 'tool_result', callId: 'c1', parts: [{ type: 'text', text: 'r1' }] },
              {
                type: 'tool_result',
                callId: 'c2',
                isError: true,
                parts: [{ type: 'text', text: 'r2' }],
              },
              { type: 'text', text: 'go on' },
            ],
          },
          { role: 'assistant', parts: [{ type: 'refusal', text: 'no' }] },
          { role: 'assistant', parts: [{ type: 'text', text: 'yes' }] },
        ],
        tools: [{ name: 'f', description: 'd', parameters: { type: 'object' }, strict: true }],
        toolChoice: { type: 'tool', name: 'f' },
        parallelToolCalls: false,
        responseFormat: {
          type: 'json_schema',
          name: 's',
          schema: { type: 'object' },
          strict: true,
        },
        reasoning: { effort: 'low' },
        maxTokens: 10,
        temperature: 0.5,
        topP: 0.9,
        topK: 4,
        stop: ['x'],
        seed: 1,
        n: 2,
        frequencyPenalty: 0.1,
        presencePenalty: 0.2,
        logprobs: true,
        topLogprobs: 3,
        user: 'u',
      }),
    );
    expect(body).toEqual({
      model: 'up/stream 1',
      messages: [
        {
          role: 'system',
          content: [
            { type: 'text', text: 's1' },
            { type: 'text', text: 's2' },
          ],
        },
        {
          role: 'user',
          name: 'bob',
          content: [
            { type: 'text', text: 'look' },
            { type: 'image_url', image_url: { url: 'data:image/jpeg;base64,AAA', detail: 'low' } },
            { type: 'image_url', image_url: { url: 'https://x/y.png' } },
            { type: 'input_audio', input_audio: { data: 'BBB', format: 'wav' } },
            {
              type: 'file',
              file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,CCC' },
            },
            { type: 'file', file: { file_id: 'f1' } },
          ],
        },
        {
          role: 'assistant',
          content: null,
          tool_calls: [
            { id: 'c1', type: 'function', function: { name: 'f', arguments: '{"a":1}' } },
            { id: 'c2', type: 'function', function: { name: 'g', arguments: '{}' } },
          ],
        },
        { role: 'tool', tool_call_id: 'c1', content: 'r1' },
        { role: 'tool', tool_call_id: 'c2', content: 'Error: r2' },
        { role: 'user', content: 'go on' },
        { role: 'assistant', content: null, refusal: 'no' },
        { role: 'assistant', content: 'yes' },
      ],
      tools: [
        {
          type: 'function',
          function: { name: 'f', description: 'd', parameters: { type: 'object' }, strict: true },
        },
      ],
      tool_choice: { type: 'function', function: { name: 'f' } },
      parallel_tool_calls: false,
      response_format: {
        type: 'json_schema',
        json_schema: { name: 's', schema: { type: 'object' }, strict: true },
      },
      reasoning_effort: 'low',
      max_tokens: 10,
      temperature: 0.5,
      top_p: 0.9,
      top_k: 4,
      stop: ['x'],
      seed: 1,
      n: 2,
      frequency_penalty: 0.1,
      presence_penalty: 0.2,
      logprobs: true,
      top_logprobs: 3,
      user: 'u',
    });
  });
  it('speaks to OpenAI’s own models in their words', () => {
    expect(bodyOf(foreign({ maxTokens: 5 }), own)).toMatchObject({ max_completion_tokens: 5 });
    expect(refusal(foreign({ topK: 3 }), own)).toMatchObject({
      code: 'invalid_request',
      param: 'top_k',
    });
  });
  it.each([
    [{ effort: 'max' as const }, 'xhigh'],
    [{ budgetTokens: 1024 }, 'low'],
    [{ budgetTokens: 10_000 }, 'medium'],
    [{ budgetTokens: 32_000 }, 'high'],
    [{ summary: 'auto' }, undefined],
  ])('turns reasoning %j into effort %s', (reasoning, effort) => {
    expect(bodyOf(foreign({ reasoning })).reasoning_effort).toBe(effort);
  });
  it('keeps the other answer formats and tool choices', () => {
    expect(bodyOf(foreign({ responseFormat: { type: 'json' } })).response_format).toEqual({
      type: 'json_object',
    });
    expect(bodyOf(foreign({ responseFormat: { type: 'text' } })).response_format).toEqual({
      type: 'text',
    });
    expect(
      bodyOf(foreign({ tools: [{ name: 'f' }], toolChoice: { type: 'required' } })).tool_choice,
    ).toBe('required');
    expect(bodyOf(foreign({ toolChoice: { type: 'auto' } })).tool_choice).toBeUndefined();
  });
  it('refuses what cannot be said, naming the field, or drops it where the caller allows', () => {
    const messages: Prompt['messages'] = [
      {
        role: 'user',
        parts: [
          { type: 'file', url: 'https://x/a.pdf' },
          { type: 'text', text: 'x' },
        ],
      },
      {
        role: 'tool',
        parts: [
          {
            type: 'tool_result',
            callId: 'c',
            parts: [
              { type: 'image', url: 'https://x/y' },
              { type: 'text', text: 't' },
            ],
          },
        ],
      },
    ];
    expect(refusal(foreign({ messages })).param).toBe('messages');
    expect(refusal(foreign({ untranslated: ['container'] })).param).toBe('container');
    const call = chatCall(
      foreign({ messages, untranslated: ['container', 'container'] }, { unsupported: 'drop' }),
    );
    expect(compatible.request(call, target).body?.messages).toEqual([
      { role: 'user', content: [{ type: 'text', text: 'x' }] },
      { role: 'tool', tool_call_id: 'c', content: 't' },
    ]);
    expect(call.journal.headers['x-sluice-dropped']).toBe('container, messages');
  });
});

describe('flavours', () => {
  it('OpenAI takes a bearer token, Azure a key, a deployment in the path and a version', () => {
    expect(own.auth('k')).toEqual({ authorization: 'Bearer k' });
    expect(azure.auth('k')).toEqual({ 'api-key': 'k' });
    expect(own.request(chatCall(), target).path).toBe('/chat/completions');
    expect(azure.request(chatCall(), target).path).toBe(
      '/openai/deployments/up%2Fstream%201/chat/completions?api-version=2025-01-01',
    );
    expect(azure.embedding({ inputs: ['a'] }, target).path).toContain('/embeddings?');
  });
});

describe('an answer', () => {
  it('is read with tools, refusal, reasoning, logprobs and every class of tokens', () => {
    const message = own.message({
      ...chatCompletion({
        content: null,
        finish: 'tool_calls',
        message: {
          reasoning_content: 'hm',
          tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }],
        },
        usage: {
          prompt_tokens: 10,
          completion_tokens: 5,
          total_tokens: 15,
          prompt_tokens_details: { cached_tokens: 4 },
          completion_tokens_details: { reasoning_tokens: 2 },
        },
      }),
    });
    expect(message).toMatchObject({
      id: 'chatcmpl-scripted',
      usage: { input: 10, cachedInput: 4, output: 5, reasoning: 2, estimated: false },
      choices: [
        {
          index: 0,
          finish: 'tool_calls',
          parts: [
            { type: 'reasoning', text: 'hm' },
            { type: 'tool_call', id: 'c', name: 'f', arguments: '{}' },
          ],
        },
      ],
    });
    expect(
      own.message(chatCompletion({ content: null, message: { refusal: 'no' } })).choices[0],
    ).toMatchObject({ finish: 'refusal' });
    expect(own.message({ choices: [{ logprobs: { content: [] } }] }).choices[0]).toMatchObject({
      logprobs: { content: [] },
      finish: 'stop',
    });
  });
  it('without choices is a failure, with the upstream’s own error where it gave one', () => {
    expect(() => own.message({})).toThrow('without choices');
    expect(() => own.message({ error: { message: 'limit', code: 429 } })).toThrow(
      expect.objectContaining({ code: 'rate_limited', message: 'limit' }),
    );
    expect(() => own.message({ error: { message: 'odd', code: 'x' } })).toThrow(
      expect.objectContaining({ code: 'upstream_error' }),
    );
  });
  it('with embeddings is put in order and checked', () => {
    const request = { inputs: ['a', 'b'] };
    const answer = own.embedded(
      {
        data: [
          { index: 1, embedding: [2] },
          { index: 0, embedding: [1] },
        ],
        usage: { prompt_tokens: 3 },
      },
      request,
    );
    expect(answer).toMatchObject({ vectors: [[1], [2]], usage: { input: 3 } });
    expect(() => own.embedded({ data: [{ index: 1, embedding: [2] }] }, request)).toThrow(
      'one vector for each input',
    );
    expect(() => own.embedded({}, request)).toThrow('one vector');
    expect(
      own.embedding({ inputs: ['a'], dimensions: 3, extra: { user: 'u', model: 'x' } }, target)
        .body,
    ).toEqual({
      model: 'up/stream 1',
      input: ['a'],
      encoding_format: 'float',
      dimensions: 3,
      user: 'u',
    });
  });
  it.each([
    [{ message: 'plain' }, 'plain'],
    [{ error: 'a string' }, 'a string'],
    [{ detail: 'FastAPI says' }, 'FastAPI says'],
    ['<html>', 'The upstream answered with status 503.'],
    [null, 'The upstream answered with status 503.'],
  ])('that failed with %j is explained', (body, message) => {
    expect(own.failure({ status: 503, headers: {} }, body)).toMatchObject({
      message,
      code: 'upstream_error',
      upstream: { body },
    });
  });
  it('that is too long for the model is told apart by code or wording', () => {
    const body = { error: { message: "This model's maximum context length is 8192 tokens." } };
    expect(own.failure({ status: 400, headers: {} }, body).code).toBe('context_too_long');
  });
  it.each([
    [{ 'retry-after': '7' }, 7000],
    [{ 'retry-after-ms': '250' }, 250],
    [{ 'retry-after': new Date(Date.now() + 5_500).toUTCString() }, expect.any(Number)],
    [{ 'retry-after': '-1' }, undefined],
    [{ 'retry-after': 'soon' }, undefined],
    [{}, undefined],
  ])('says when to come back: %j', (headers, ms) => {
    expect(own.failure({ status: 429, headers }, {}).retryAfterMs).toEqual(ms);
  });
});

describe('a stream', () => {
  const read = (frames: readonly object[], body: object = {}) => {
    const reader = own.reader(chatCall({ stream: true, body: { ...body } }));
    const chunks = frames.map((frame) =>
      reader.read({ event: undefined, data: JSON.stringify(frame) })!,
    );
    return { reader, chunks, events: chunks.flatMap((chunk) => chunk.events) };
  };
  it('keeps each frame word for word and parses it on demand', () => {
    const frames = chatChunks({ pieces: ['a "b" \\'] });
    const { chunks, events, reader } = read(frames);
    expect(chunks.map((c) => c.frame?.data)).toEqual(frames.map((f) => JSON.stringify(f)));
    expect(events).toEqual([
      { type: 'start', id: 'chatcmpl-scripted', model: 'scripted', created: 1_760_000_000 },
      { type: 'text', choice: 0, text: 'a "b" \\' },
      { type: 'finish', choice: 0, reason: 'stop' },
      { type: 'usage', usage: expect.objectContaining({ input: 9, output: 2 }) },
    ]);
    expect(reader.usage()).toMatchObject({ input: 9, output: 2 });
    expect(reader.done()).toBe(true);
  });
  it('is done when every choice is, or with [DONE]', () => {
    const finish = (index: number) => ({ choices: [{ index, delta: {}, finish_reason: 'stop' }] });
    expect(read([finish(0)], { n: 2 }).reader.done()).toBe(false);
    expect(read([finish(0), finish(1)], { n: 2 }).reader.done()).toBe(true);
    const { reader } = read([]);
    expect(reader.read({ event: undefined, data: '[DONE]' })).toBeUndefined();
    expect(reader.done()).toBe(true);
    expect(reader.read({ event: undefined, data: '' })).toBeUndefined();
  });
  it('reads parallel tool calls, refusals, reasoning and logprobs', () => {
    const { events, reader } = read([
      {
        choices: [
          {
            index: 0,
            delta: {
              tool_calls: [
                { index: 0, id: 'a', function: { name: 'f', arguments: '' } },
                { index: 1, id: 'b', function: { name: 'g', arguments: '{' } },
              ],
            },
          },
        ],
      },
      {
        choices: [
          { index: 0, delta: { tool_calls: [{ index: 0, function: { arguments: '{}' } }] } },
        ],
      },
      {
        choices: [
          { index: 1, delta: { refusal: 'no', reasoning: 'hm' }, logprobs: { content: [] } },
        ],
      },
    ]);
    expect(events.slice(1)).toEqual([
      { type: 'tool_call', choice: 0, index: 0, id: 'a', name: 'f', arguments: '' },
      { type: 'tool_call', choice: 0, index: 1, id: 'b', name: 'g', arguments: '{' },
      { type: 'tool_call', choice: 0, index: 0, arguments: '{}' },
      { type: 'reasoning', choice: 1, text: 'hm' },
      { type: 'text', choice: 1, text: '', logprobs: { content: [] } },
      { type: 'refusal', choice: 1, text: 'no' },
    ]);
    expect(reader.produced!()).toBe('fg{{}nohm'.length);
  });
  it('fails at an error frame and at rubbish, and is not fooled by texts', () => {
    const { reader } = read([]);
    expect(() =>
      reader.read({ event: undefined, data: '{"error":{"message":"boom","code":500}}' }),
    ).toThrow('boom');
    expect(() => reader.read({ event: undefined, data: 'rubbish' })).toThrow(SyntaxError);
    const text = 'say "error": {"usage": {"prompt_tokens": 1}} "finish_reason":"stop"';
    const fooled = read([
      { choices: [{ index: 0, delta: { content: text }, finish_reason: null }], usage: null },
    ]);
    expect(fooled.reader.done()).toBe(false);
    expect(fooled.reader.usage()).toBeUndefined();
    expect(fooled.events[1]).toMatchObject({ text });
    expect(reader.read({ event: undefined, data: '{"error":null,"choices":[]}' })).toBeDefined();
  });
  it('a frame that is cut means nothing rather than throwing later', () => {
    const { reader } = read([]);
    expect(
      reader.read({ event: undefined, data: '{"choices":[{"delta":{"content":"a' })!.events,
    ).toEqual([]);
  });
  it('means by frames that differ in one text what each of them means alone', () => {
    const start = '{"choices":[{"index":0,"delta":{"role":"assistant"}}]}';
    const alone = (data: string): unknown => {
      const reader = own.reader(chatCall({ stream: true }));
      reader.read({ event: undefined, data: start });
      return reader.read({ event: undefined, data })?.events;
    };
    const shapes: ((text: string) => object)[] = [
      (content) => ({ id: 'c', choices: [{ index: 0, delta: { content }, finish_reason: null }] }),
      (content) => ({ id: 'c', choices: [{ index: 3, delta: { content } }], usage: null }),
      (content) => ({ choices: [{ index: 0, delta: { content }, logprobs: { content: [] } }] }),
      (refusal) => ({ choices: [{ index: 0, delta: { refusal } }] }),
      (args) => ({
        choices: [
          { index: 0, delta: { tool_calls: [{ index: 0, function: { arguments: args } }] } },
        ],
      }),
    ];
    // A text is written into the frame as it is, so that it may also be something that JSON does not take.
    const text = fc.oneof(
      fc.constantFrom('', ' the', 'a\\n', '\\u0041', '\n', 'say \\"', '\\', '","content":"b'),
      fc.string({ unit: 'binary', maxLength: 20 }),
    );
    const step = fc.record({ text, shape: fc.constantFrom(...shapes) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        const reader = own.reader(chatCall({ stream: true, body: { n: 1000 } }));
        reader.read({ event: undefined, data: start });
        for (const { shape, text: written } of steps) {
          const data = JSON.stringify(shape('TEXT')).replace('TEXT', () => written);
          expect(reader.read({ event: undefined, data })?.events).toEqual(alone(data));
        }
      }),
      { numRuns: 300 },
    );
  });
  it('finds by looking what parsing would find, for any texts and any spacing', () => {
    const text = fc.string({ unit: 'binary', maxLength: 20 });
    fc.assert(
      fc.property(
        fc.array(
          fc.record({ content: fc.option(text), arguments: fc.option(text), finish: fc.boolean() }),
          { maxLength: 8 },
        ),
        fc.constantFrom(undefined, 1),
        (steps, space) => {
          const reader = own.reader(chatCall({ stream: true, body: { n: 1000 } }));
          for (const step of steps) {
            const frame = JSON.stringify(
              {
                choices: [
                  {
                    index: 0,
                    delta: {
                      content: step.content,
                      tool_calls:
                        step.arguments === null
                          ? undefined
                          : [{ index: 0, function: { arguments: step.arguments } }],
                    },
                    finish_reason: step.finish ? 'stop' : null,
                  },
                ],
                usage: null,
              },
              null,
              space,
            ).replaceAll('\n', '');
            const before = reader.produced!();
            reader.read({ event: undefined, data: frame });
            const written = (value: string | null): number =>
              value === null ? 0 : JSON.stringify(value).length - 2;
            const said = written(step.content) + written(step.arguments);
            expect(reader.produced!() - before).toBe(said);
          }
        },
      ),
    );
  });
});
