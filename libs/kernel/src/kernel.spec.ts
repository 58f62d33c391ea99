import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ChatCall } from './call.js';
import { SYSTEM_CALLER, isAdmin } from './caller.js';
import { ManualClock, SystemClock } from './clock.js';
import { ERROR_STATUS, GatewayError, asGatewayError } from './error.js';
import { ChatChunk, type ChatEvent } from './event.js';
import { randomToken, uuidv7 } from './ids.js';
import { MessageAssembler, eventsOf, type ChatMessage } from './message.js';
import { microToUsd, roundCost, tokenCost, usdToMicro } from './money.js';
import { lastUserMessage, textOf, type Part } from './prompt.js';
import { addUsage, usage } from './usage.js';

describe('ids', () => {
  it('makes UUIDs of version 7 that carry their time and sort by it', () => {
    const pattern = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
    const at = Date.UTC(2026, 5, 1);
    const first = uuidv7(at);
    expect(first).toMatch(pattern);
    expect(parseInt(first.replaceAll('-', '').slice(0, 12), 16)).toBe(at);
    expect(first < uuidv7(at + 1)).toBe(true);
  });

  it('never repeats an id among many', () => {
    const ids = new Set(Array.from({ length: 20_000 }, () => uuidv7(0)));
    expect(ids.size).toBe(20_000);
  });

  it('makes secrets of the asked length', () => {
    expect(Buffer.from(randomToken(32), 'base64url')).toHaveLength(32);
  });
});

describe('money', () => {
  it('prices a token at one USD per million as one micro-USD', () => {
    expect(tokenCost(1_000_000, 1)).toBe(usdToMicro(1));
    expect(microToUsd(usdToMicro(12.345678))).toBe(12.345678);
  });

  it('rounds a bill up, but not for binary noise', () => {
    expect(roundCost(0.1)).toBe(1);
    expect(roundCost(0.15 * 3 * 100)).toBe(45);
    expect(roundCost(-1)).toBe(0);
  });
});

describe('errors', () => {
  it('gives every code a status of 4xx or 5xx', () => {
    for (const status of Object.values(ERROR_STATUS))
      expect(Math.floor(status / 100)).toBeGreaterThan(3);
    expect(new GatewayError('rate_limited', 'x').status).toBe(429);
  });

  it('keeps a gateway error and hides anything else behind internal', () => {
    const known = new GatewayError('forbidden', 'no');
    expect(asGatewayError(known)).toBe(known);
    const hidden = asGatewayError(new Error('password=1'));
    expect(hidden.code).toBe('internal');
    expect(hidden.message).not.toContain('password');
    expect(hidden.cause).toBeInstanceOf(Error);
  });
});

describe('clocks', () => {
  it('lets a test step the wall clock without the monotonic one', () => {
    const clock = new ManualClock(1000);
    clock.advance(5);
    clock.set(10);
    expect([clock.now(), clock.monotonic()]).toEqual([10, 5]);
    const system = new SystemClock();
    expect(Math.abs(system.now() - Date.now())).toBeLessThan(1000);
    expect(system.monotonic()).toBeGreaterThan(0);
  });
});

describe('chunks', () => {
  it('parses a frame only when asked, and once', () => {
    let parsed = 0;
    const chunk = ChatChunk.lazy({ dialect: 'openai-chat', data: '{}' }, () => {
      parsed++;
      return [{ type: 'text', choice: 0, text: 'x' }];
    });
    expect(parsed).toBe(0);
    expect(chunk.events).toBe(chunk.events);
    expect(parsed).toBe(1);
    expect(ChatChunk.framed({ dialect: 'gemini', data: '' }, []).events).toEqual([]);
  });
});

const word = fc.string({ minLength: 1, maxLength: 8 });
const part: fc.Arbitrary<Part> = fc.oneof(
  fc.record({ type: fc.constant('text' as const), text: word }),
  fc.record({
    type: fc.constant('tool_call' as const),
    id: word,
    name: word,
    arguments: fc.constant('{"a":1}'),
  }),
  fc.record({ type: fc.constant('reasoning' as const), text: word, signature: word }),
  fc.record({ type: fc.constant('refusal' as const), text: word }),
);
/** Neighbouring texts would be one text after a round trip, so the generator joins them beforehand. */
const parts = fc
  .array(part, { minLength: 1, maxLength: 6 })
  .map((list) => list.filter((p, i) => p.type === 'tool_call' || p.type !== list[i - 1]?.type));
const message: fc.Arbitrary<ChatMessage> = fc.record({
  id: word,
  model: word,
  created: fc.nat(),
  usage: fc.nat(1000).map((n) => usage({ input: n, output: n })),
  choices: fc
    .array(parts, { minLength: 1, maxLength: 3 })
    .map((choices) => choices.map((p, index) => ({ index, parts: p, finish: 'stop' as const }))),
});

describe('MessageAssembler', () => {
  it('puts together exactly the message whose events it was fed', () => {
    fc.assert(
      fc.property(message, (whole) => {
        const assembler = new MessageAssembler();
        for (const event of eventsOf(whole)) assembler.addEvent(event);
        expect(assembler.message()).toEqual(whole);
      }),
    );
  });

  it('joins deltas of texts, tool arguments and log probabilities', () => {
    const assembler = new MessageAssembler();
    const events: ChatEvent[] = [
      { type: 'start', id: 'a', model: 'm', created: 1 },
      { type: 'text', choice: 0, text: 'Hel', logprobs: { content: [1] } },
      { type: 'text', choice: 0, text: 'lo', logprobs: { content: [2], refusal: [3] } },
      { type: 'tool_call', choice: 0, index: 0, id: 't', name: 'f', arguments: '{"x"' },
      { type: 'tool_call', choice: 0, index: 1, arguments: '' },
      { type: 'tool_call', choice: 0, index: 1, id: 'u', name: 'g', arguments: '{}' },
      { type: 'tool_call', choice: 0, index: 0, arguments: ':1}' },
      { type: 'finish', choice: 0, reason: 'stop', stopSequence: 'END' },
      { type: 'usage', usage: usage({ output: 2 }) },
    ];
    assembler.add(ChatChunk.of(...events));
    expect(assembler.usage.output).toBe(2);
    expect(assembler.message().choices[0]).toEqual({
      index: 0,
      parts: [
        { type: 'text', text: 'Hello' },
        { type: 'tool_call', id: 't', name: 'f', arguments: '{"x":1}' },
        { type: 'tool_call', id: 'u', name: 'g', arguments: '{}' },
      ],
      finish: 'stop',
      stopSequence: 'END',
      logprobs: { content: [1, 2], refusal: [3] },
    });
    const replayed = new MessageAssembler();
    for (const event of eventsOf(assembler.message())) replayed.addEvent(event);
    expect(replayed.message()).toEqual(assembler.message());
  });

  it('calls a choice that never finished cut short', () => {
    const assembler = new MessageAssembler();
    assembler.addEvent({ type: 'reasoning', choice: 0, text: '', redacted: 'enc', block: 0 });
    expect(assembler.message().choices[0]).toMatchObject({ finish: 'length' });
    expect(eventsOf(assembler.message())).toContainEqual(
      expect.objectContaining({ type: 'reasoning', redacted: 'enc' }),
    );
  });
});

describe('calls', () => {
  const call = new ChatCall({
    id: 'i',
    caller: SYSTEM_CALLER,
    dialect: 'openai-chat',
    model: 'auto',
    stream: false,
    body: {},
    signal: new AbortController().signal,
    agent: 'a',
    session: 's',
    parse: () => ({ messages: [{ role: 'user', parts: [{ type: 'text', text: 'hi' }] }] }),
  });

  it('translate their prompt once and hold nothing by themselves', async () => {
    expect(call.prompt).toBe(call.prompt);
    expect(textOf(lastUserMessage(call.prompt)?.parts ?? [])).toBe('hi');
    expect(call.hold.progress(1)).toBe('go');
    expect(call.hold.cover({} as never)).toBeUndefined();
    expect(isAdmin(call.caller)).toBe(true);
  });

  it('can be made anew on another footing, with a journal of their own', () => {
    const other = call.with({ model: 'm', id: 'j' });
    expect(other).toMatchObject({ model: 'm', id: 'j', agent: 'a', session: 's' });
    expect(other.journal).not.toBe(call.journal);
    expect(other.prompt).toBe(call.prompt);
  });
});

describe('usage', () => {
  it('adds class by class and stays marked as estimated', () => {
    const a = usage({ input: 1, cachedInput: 1, estimated: true });
    expect(addUsage(a, usage({ input: 2, output: 3, reasoning: 1 }))).toEqual({
      input: 3,
      output: 3,
      cachedInput: 1,
      cacheWrite: 0,
      reasoning: 1,
      estimated: true,
    });
  });

  it('joins several text parts by lines', () => {
    expect(
      textOf([
        { type: 'text', text: 'a' },
        { type: 'refusal', text: 'x' },
        { type: 'text', text: 'b' },
      ]),
    ).toBe('a\nb');
  });
});
