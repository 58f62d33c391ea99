import { describe, expect, it } from '@jest/globals';
import { ChatCall, ChatChunk, GatewayError, SYSTEM_CALLER, usage } from '@sluice/kernel';
import { OpenAiChatWire } from './openai-chat.wire.js';

const wire = new OpenAiChatWire();
const user = { role: 'user', content: 'hi' };

function paramOf(body: unknown): string | undefined {
  try {
    wire.parse(body);
  } catch (error) {
    expect(error).toBeInstanceOf(GatewayError);
    expect((error as GatewayError).code).toBe('invalid_request');
    return (error as GatewayError).param;
  }
  throw new Error('was accepted');
}

function call(over: Partial<{ includeUsage: boolean }> = {}): ChatCall {
  return new ChatCall({
    id: 'call-1',
    caller: SYSTEM_CALLER,
    dialect: 'openai-chat',
    model: 'gpt',
    stream: true,
    body: {},
    signal: new AbortController().signal,
    parse: () => ({ messages: [] }),
    ...over,
  });
}

const frame = (data: string): ChatChunk =>
  ChatChunk.lazy({ dialect: 'openai-chat', data }, () => {
    throw new Error('a pass-through chunk was parsed');
  });

describe('Chat Completions bodies', () => {
  it.each([
    [undefined, undefined],
    [[], undefined],
    [{}, 'messages'],
    [{ messages: [] }, 'messages'],
    [{ messages: 'hi' }, 'messages'],
    [{ messages: [null] }, 'messages[0]'],
    [{ messages: [{ role: 'wizard', content: 'x' }] }, 'messages[0].role'],
    [{ messages: [user, { role: 'user' }] }, 'messages[1].content'],
    [{ messages: [{ role: 'user', content: [{ type: 'text' }] }] }, 'messages[0].content[0].text'],
    [{ messages: [{ role: 'user', content: [{}] }] }, 'messages[0].content[0].type'],
    [{ messages: [{ role: 'tool', content: 'x' }] }, 'messages[0].tool_call_id'],
    [
      { messages: [{ role: 'assistant', tool_calls: [{ id: 'a', function: { name: 'f' } }] }] },
      'messages[0].tool_calls[0].function.arguments',
    ],
    [{ messages: [user], model: 7 }, 'model'],
    [{ messages: [user], max_tokens: 0 }, 'max_tokens'],
    [{ messages: [user], max_tokens: -5 }, 'max_tokens'],
    [{ messages: [user], seed: 2 ** 65 }, 'seed'],
    [{ messages: [user], seed: 1.5 }, 'seed'],
    [{ messages: [user], max_completion_tokens: 1.5 }, 'max_completion_tokens'],
    [{ messages: [user], n: 1000 }, 'n'],
    [{ messages: [user], n: 0 }, 'n'],
    [{ messages: [user], temperature: 2.1 }, 'temperature'],
    [{ messages: [user], temperature: '1' }, 'temperature'],
    [{ messages: [user], top_p: -0.1 }, 'top_p'],
    [{ messages: [user], stop: [1] }, 'stop[0]'],
    [{ messages: [user], stream: 'yes' }, 'stream'],
    [{ messages: [user], stream_options: { include_usage: 1 } }, 'stream_options.include_usage'],
    [{ messages: [user], tools: [{ type: 'function' }] }, 'tools[0].function'],
    [{ messages: [user], tool_choice: 'maybe' }, 'tool_choice'],
    [{ messages: [user], tool_choice: 'required' }, 'tool_choice'],
    [
      { messages: [user], tool_choice: { type: 'function', function: { name: 'f' } } },
      'tool_choice.function.name',
    ],
    [{ messages: [user], response_format: { type: 'xml' } }, 'response_format.type'],
    [
      { messages: [user], response_format: { type: 'json_schema', json_schema: {} } },
      'response_format.json_schema.name',
    ],
    [{ messages: [user], reasoning_effort: 'huge' }, 'reasoning_effort'],
  ])('%j is refused naming %s', (body, param) => {
    expect(paramOf(body)).toBe(param);
  });

  it('treats null as absent and keeps unknown fields by name for other dialects', () => {
    const parsed = wire.parse({
      model: 'm',
      messages: [user],
      temperature: null,
      stream: null,
      logit_bias: { 50256: -100 },
      modalities: ['text'],
      metadata: { a: 'b' },
      guided_json: {},
    });
    expect(parsed).toMatchObject({ model: 'm', stream: false, includeUsage: false });
    expect(parsed.prompt()).toEqual({
      messages: [{ role: 'user', parts: [{ type: 'text', text: 'hi' }] }],
      untranslated: ['logit_bias', 'guided_json'],
    });
  });

  it('leaves the limit of choices to whoever makes the dialect', () => {
    expect(() => new OpenAiChatWire({ choices: 2 }).parse({ messages: [user], n: 3 })).toThrow(
      /between 1 and 2/,
    );
  });
});

describe('Chat Completions streams', () => {
  it('pass upstream frames on as they are, unparsed', () => {
    const stream = wire.stream(call());
    const data =
      '{"id":"a","choices":[{"index":0,"delta":{"content":"\\"usage\\": null, x"}}],"zz":1}';
    expect(stream.chunk(frame(data))).toBe(`data: ${data}\n\n`);
    expect(stream.end()).toBe('data: [DONE]\n\n');
  });

  it('lose usage that the caller did not ask for', () => {
    const stream = wire.stream(call());
    expect(stream.chunk(frame('{"id":"a","choices":[{"delta":{}}],"usage":null}'))).toBe(
      'data: {"id":"a","choices":[{"delta":{}}]}\n\n',
    );
    // Wherever it stands, and however it is spaced.
    expect(stream.chunk(frame('{"usage":null,"choices":[{"delta":{}}]}'))).toBe(
      'data: {"choices":[{"delta":{}}]}\n\n',
    );
    expect(stream.chunk(frame('{"choices":[{"delta":{}}], "usage": null}'))).toBe(
      'data: {"choices":[{"delta":{}}]}\n\n',
    );
    expect(stream.chunk(frame('{"choices":[{"delta":{"content":",\\"usage\\":null}"}}]}'))).toBe(
      'data: {"choices":[{"delta":{"content":",\\"usage\\":null}"}}]}\n\n',
    );
    expect(stream.chunk(frame('{"choices":[{"delta":{}}],"usage":{"prompt_tokens":1}}'))).toBe(
      'data: {"choices":[{"delta":{}}]}\n\n',
    );
    expect(stream.chunk(frame('{"choices":[],"usage":{"prompt_tokens":1}}'))).toBe('');
    expect(stream.end()).toBe('data: [DONE]\n\n');
  });

  it('keep usage that the caller asked for, word for word and last', () => {
    const stream = wire.stream(call({ includeUsage: true }));
    const data = '{"choices":[{"delta":{}}],"usage":null}';
    expect(stream.chunk(frame(data))).toBe(`data: ${data}\n\n`);
    const last = '{"id":"a", "choices": [], "usage": {"prompt_tokens":1}}';
    expect(stream.chunk(frame(last))).toBe('');
    expect(stream.end()).toBe(`data: ${last}\n\ndata: [DONE]\n\n`);
  });

  it('carry the sluice field when it is asked for', () => {
    const stream = wire.stream(call());
    stream.chunk(frame('{"choices":[],"usage":{"prompt_tokens":1}}'));
    expect(stream.end({ cost_usd: 1 })).toBe(
      'data: {"choices":[],"usage":{"prompt_tokens":1},"sluice":{"cost_usd":1}}\n\ndata: [DONE]\n\n',
    );
  });

  it('continue the identity of the upstream when the gateway adds its own end', () => {
    const stream = wire.stream(call());
    stream.chunk(frame('{"id":"up","created":7,"model":"real","choices":[{"delta":{}}]}'));
    const end = stream.chunk(ChatChunk.of({ type: 'finish', choice: 0, reason: 'length' }));
    expect(JSON.parse(end.slice(6))).toMatchObject({
      id: 'up',
      created: 7,
      model: 'real',
      choices: [{ index: 0, finish_reason: 'length' }],
    });
  });

  it('are written from events when the upstream speaks something else', () => {
    const stream = wire.stream(call({ includeUsage: true }));
    const text = [
      ChatChunk.of({ type: 'start', id: 'x', model: 'claude', created: 5 }),
      ChatChunk.of({ type: 'reasoning', choice: 0, text: 'hm', block: 0 }),
      ChatChunk.of({ type: 'reasoning', choice: 0, text: '', signature: 'sig', block: 0 }),
      ChatChunk.of({ type: 'text', choice: 0, text: 'hello' }),
      ChatChunk.of({ type: 'tool_call', choice: 0, index: 0, id: 't', name: 'f', arguments: '' }),
      ChatChunk.of({ type: 'tool_call', choice: 0, index: 0, arguments: '{}' }),
      ChatChunk.of({ type: 'finish', choice: 0, reason: 'stop' }),
      ChatChunk.of({ type: 'usage', usage: usage({ input: 3, output: 2, reasoning: 1 }) }),
    ]
      .map((chunk) => stream.chunk(chunk))
      .concat(stream.end())
      .join('');
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
    const lines = text.split('\n\n').filter((l) => l.startsWith('data: {'));
    const chunks = lines.map((l) => JSON.parse(l.slice(6)));
    expect(chunks[0]).toEqual({
      id: 'x',
      object: 'chat.completion.chunk',
      created: 5,
      model: 'claude',
      choices: [
        {
          index: 0,
          delta: { role: 'assistant', reasoning_content: 'hm' },
          logprobs: null,
          finish_reason: null,
        },
      ],
      usage: null,
    });
    expect(chunks.at(1).choices[0].delta.reasoning_details[0].signature).toBe('sig');
    expect(chunks.at(-2).choices[0].finish_reason).toBe('tool_calls');
    expect(chunks.at(-1)).toMatchObject({
      choices: [],
      usage: { total_tokens: 5, completion_tokens_details: { reasoning_tokens: 1 } },
    });
  });

  it('end with an error frame and without [DONE] after a failure', () => {
    const stream = wire.stream(call());
    const text = stream.error(new GatewayError('upstream_error', 'gone'), 'r');
    expect(JSON.parse(text.slice(6))).toEqual({
      error: { message: 'gone', type: 'server_error', param: null, code: 'upstream_error' },
    });
    expect(text).not.toContain('[DONE]');
    expect(stream.heartbeat()).toBe(': keep-alive\n\n');
  });
});
