import { describe, expect, it } from '@jest/globals';
import { ChatCall, ChatChunk, SYSTEM_CALLER, usage, type DialectName } from '@sluice/kernel';
import { AnthropicStream } from './anthropic.stream.js';
import { OpenAiChatStream } from './openai-chat.stream.js';
import { OpenAiCompletionsStream } from './openai-completions.stream.js';
import { OpenAiResponsesStream } from './openai-responses.stream.js';

const callOf = (dialect: DialectName) =>
  new ChatCall({
    id: '0199f0a0-0000-7000-8000-000000000000',
    caller: SYSTEM_CALLER,
    dialect,
    model: 'm',
    stream: true,
    body: {},
    signal: new AbortController().signal,
    parse: () => ({ messages: [] }),
  });

/** What the engine writes when a budget ends an answer. */
const CUT = ChatChunk.of(
  { type: 'finish', choice: 0, reason: 'length', stoppedBy: 'budget' },
  { type: 'usage', usage: usage({ input: 3, output: 5, estimated: true }) },
);
const TEXT = ChatChunk.of({ type: 'text', choice: 0, text: 'As far as it' });
const NOTE = { stopped_by: 'budget' };

/** The data of every event of a piece of SSE. */
const events = (sse: string): Record<string, any>[] =>
  [...sse.matchAll(/^data: (\{.*\})$/gm)].map(([, data]) => JSON.parse(data ?? '') as object);

describe('a stream that its budget ends', () => {
  it('says so in the last chunk of Chat Completions, and ends as usual', () => {
    const stream = new OpenAiChatStream(callOf('openai-chat'));
    const sse = stream.chunk(TEXT) + stream.chunk(CUT) + stream.end();
    const last = events(sse).at(-1);
    expect(last).toMatchObject({ choices: [{ finish_reason: 'length' }], sluice: NOTE });
    expect(sse.endsWith('data: [DONE]\n\n')).toBe(true);
    // Nobody who did not ask for usage gets a chunk without choices.
    expect(events(sse).every((event) => event.choices.length === 1)).toBe(true);
  });

  it('says so in the last choice of legacy completions', () => {
    const stream = new OpenAiCompletionsStream(callOf('openai-completions'));
    const sse = stream.chunk(TEXT) + stream.chunk(CUT) + stream.end();
    expect(events(sse).at(-1)).toMatchObject({
      choices: [{ finish_reason: 'length' }],
      sluice: NOTE,
    });
  });

  it('says so in message_delta of Messages', () => {
    const stream = new AnthropicStream(callOf('anthropic'));
    const all = events(stream.chunk(TEXT) + stream.chunk(CUT) + stream.end());
    expect(all.find((event) => event.type === 'message_delta')).toMatchObject({
      delta: { stop_reason: 'max_tokens' },
      usage: { output_tokens: 5 },
      sluice: NOTE,
    });
    expect(all.at(-1)?.type).toBe('message_stop');
  });

  it('says so in response.incomplete of Responses', () => {
    const stream = new OpenAiResponsesStream(callOf('openai-responses'));
    const all = events(stream.chunk(TEXT) + stream.chunk(CUT) + stream.end());
    expect(all.at(-1)).toMatchObject({
      type: 'response.incomplete',
      response: { status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } },
      sluice: NOTE,
    });
  });

  it('ends an upstream stream of Responses that was passed on word for word, by its own name', () => {
    const stream = new OpenAiResponsesStream(callOf('openai-responses'));
    const data = JSON.stringify({ type: 'response.created', response: { id: 'resp_up' } });
    const frame = { dialect: 'openai-responses' as const, event: 'response.created', data };
    const framed = stream.chunk(ChatChunk.framed(frame, []));
    const all = events(framed + stream.chunk(CUT) + stream.end());
    expect(all.at(-1)).toMatchObject({
      type: 'response.incomplete',
      response: { id: 'resp_up', status: 'incomplete' },
      sluice: NOTE,
    });
  });

  it('keeps the facts that were asked for beside the note', () => {
    const stream = new AnthropicStream(callOf('anthropic'));
    const all = events(stream.chunk(TEXT) + stream.chunk(CUT) + stream.end({ cost_usd: 1 }));
    expect(all.find((event) => event.type === 'message_delta')?.sluice).toEqual({
      cost_usd: 1,
      ...NOTE,
    });
  });
});
