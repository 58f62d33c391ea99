import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Message, Part, Prompt, Tool } from '@sluice/kernel';
import { OpenAiResponsesWire } from '../../libs/chat/src/wire/openai-responses.wire.js';
import { inputItems } from '../../libs/chat/src/wire/openai-responses.items.js';
import { messagesBody } from '../../libs/providers/src/dialects/anthropic/anthropic.body.js';
import { completionBody } from '../../libs/providers/src/dialects/openai/openai-chat.body.js';
import { WIRES, callFor, target } from './world.js';

const RUNS = 300;

const word = fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' });
const base64 = fc
  .uint8Array({ minLength: 1, maxLength: 24 })
  .map((b) => Buffer.from(b).toString('base64'));
const json = fc.dictionary(
  fc.string({ maxLength: 6 }).filter((k) => k !== '__proto__'),
  fc.jsonValue({ maxDepth: 2 }),
  { maxKeys: 3 },
);
// -0 is 0 in JSON, so the text is taken from what was parsed once.
const args = json.map((value) => JSON.stringify(JSON.parse(JSON.stringify(value))));
const cache = fc.constantFrom({}, { cache: {} }, { cache: { ttl: '1h' as const } });
const text = fc.tuple(word, cache).map(([t, c]): Part => ({ type: 'text', text: t, ...c }));
const image = fc.oneof(
  base64.map((data): Part => ({ type: 'image', data, mediaType: 'image/png' })),
  fc.webUrl().map((url): Part => ({ type: 'image', url })),
);
const file = base64.map((data): Part => ({
  type: 'file',
  name: 'a.pdf',
  data,
  mediaType: 'application/pdf',
}));
const thought = fc.oneof(
  fc
    .tuple(word, word)
    .map(([t, signature]): Part => ({ type: 'reasoning', text: t, signature: `s${signature}` })),
  base64.map((redacted): Part => ({ type: 'reasoning', text: '', redacted })),
);

const system = fc
  .array(text, { minLength: 1, maxLength: 3 })
  .map((parts): Message => ({ role: 'system', parts }));
const question = fc
  .array(fc.oneof(text, image, file), { minLength: 1, maxLength: 3 })
  .map((parts): Message => ({ role: 'user', parts }));

/** A turn of the assistant: thoughts, words, calls; then the results of the calls. */
const turn = fc
  .record({
    thoughts: fc.array(thought, { maxLength: 2 }),
    said: word,
    calls: fc.array(fc.tuple(fc.constantFrom('lookup', 'store'), args, word, fc.boolean()), {
      maxLength: 3,
    }),
    seed: fc.nat(),
  })
  .map(({ thoughts, said, calls, seed }): Message[] => [
    {
      role: 'assistant',
      parts: [
        ...thoughts,
        { type: 'text', text: said },
        ...calls.map(([name, a], i): Part => ({
          type: 'tool_call',
          id: `call_${seed}_${i}`,
          name,
          arguments: a,
        })),
      ],
    },
    ...calls.map(([, , result, isError], i): Message => ({
      role: 'tool',
      parts: [
        {
          type: 'tool_result',
          callId: `call_${seed}_${i}`,
          parts: [{ type: 'text', text: result }],
          ...(isError ? { isError } : {}),
        },
      ],
    })),
  ]);

const tools: readonly Tool[] = ['lookup', 'store'].map((name) => ({
  name,
  description: `does ${name}`,
  parameters: { type: 'object', properties: { q: { type: 'string' } } },
}));

const prompt = fc
  .record({
    system: fc.option(system, { nil: undefined }),
    turns: fc.array(fc.tuple(question, turn), { maxLength: 3 }),
    last: question,
    temperature: fc.option(fc.constantFrom(0, 0.25, 1), { nil: undefined }),
    topP: fc.option(fc.constantFrom(0.5, 1), { nil: undefined }),
    stop: fc.option(fc.array(word, { minLength: 1, maxLength: 3 }), { nil: undefined }),
    toolChoice: fc.constantFrom(
      undefined,
      { type: 'auto' },
      { type: 'none' },
      { type: 'required' },
      { type: 'tool', name: 'store' } as const,
    ),
    maxTokens: fc.integer({ min: 1, max: 9000 }),
    user: fc.option(word, { nil: undefined }),
  })
  .map(({ system: first, turns, last, ...settings }): Prompt => {
    const prompt: Record<string, unknown> = {
      messages: [
        ...(first === undefined ? [] : [first]),
        ...turns.flatMap(([q, a]) => [q, ...a]),
        last,
      ],
      tools,
    };
    for (const [key, value] of Object.entries(settings))
      if (value !== undefined) prompt[key] = value;
    return prompt as unknown as Prompt;
  });

const OUTS = {
  'openai-chat': (original: Prompt) => completionBody(callFor(original), target('gpt-5'), true),
  anthropic: (original: Prompt) => messagesBody(callFor(original), target('claude-sonnet-4-5')),
};

const through = (to: 'openai-chat' | 'anthropic', original: Prompt): Prompt =>
  WIRES.find((wire) => wire.name === to)!
    .parse(OUTS[to](original))
    .prompt();

/** The prompt without what Chat Completions cannot say: thoughts, cache marks, the flag of a failed tool. */
function asChat(original: Prompt): Prompt {
  return {
    ...original,
    messages: original.messages.map((message) => ({
      ...message,
      parts: message.parts
        .filter((part) => part.type !== 'reasoning')
        .map((part): Part => {
          if (part.type === 'tool_result') {
            const [result] = part.parts;
            const said = result?.type === 'text' ? result.text : '';
            const told = part.isError === true ? `Error: ${said}` : said;
            return {
              type: 'tool_result',
              callId: part.callId,
              parts: [{ type: 'text', text: told }],
            };
          }
          const { cache: _cache, ...rest } = part as Part & { cache?: unknown };
          return rest;
        }),
    })),
  };
}

describe('conversations translated and read again', () => {
  it('keep everything when they pass through Anthropic Messages', () => {
    fc.assert(
      fc.property(prompt, (original) => {
        expect(through('anthropic', original)).toEqual(original);
      }),
      { numRuns: RUNS },
    );
  });

  it('keep everything that Chat Completions can say when they pass through it', () => {
    fc.assert(
      fc.property(prompt, (original) => {
        expect(through('openai-chat', original)).toEqual(asChat(original));
      }),
      { numRuns: RUNS },
    );
  });

  it('come back whole from Chat Completions by way of Anthropic Messages', () => {
    fc.assert(
      fc.property(prompt, (original) => {
        const chat = asChat(original);
        expect(through('openai-chat', through('anthropic', chat))).toEqual(chat);
      }),
      { numRuns: RUNS },
    );
  });

  it('keep messages, calls, results and sealed reasoning as items of the Responses API', () => {
    const wire = new OpenAiResponsesWire();
    fc.assert(
      fc.property(prompt, (original) => {
        const back = wire.parse({ model: 'm', input: inputItems(original.messages) }).prompt();
        const bare = (messages: readonly Message[]): unknown =>
          messages.map(({ role, parts }) => ({
            role,
            parts: parts.map((part) => {
              const {
                cache: _c,
                isError: _e,
                id: _i,
                ...rest
              } = part as Part & Record<string, unknown>;
              return part.type === 'tool_call' ? { ...rest, id: part.id } : rest;
            }),
          }));
        expect(bare(back.messages)).toEqual(bare(original.messages));
      }),
      { numRuns: RUNS },
    );
  });
});
