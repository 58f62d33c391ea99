import { describe, expect, it } from '@jest/globals';
import type { ChatCallInit } from '@sluice/kernel';
import fc from 'fast-check';
import { chatCall } from '../../testing/cache-calls.js';
import {
  entryKey,
  entryKeyOf,
  exactKeyOf,
  IRRELEVANT_FIELDS,
  type KeyParts,
} from './request-key.js';

const BODY = {
  model: 'small',
  messages: [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'What is a lock?' },
  ],
  temperature: 0.2,
  top_p: 0.9,
  top_k: 40,
  max_tokens: 100,
  max_completion_tokens: 120,
  n: 1,
  seed: 7,
  stop: ['END'],
  frequency_penalty: 0.1,
  presence_penalty: 0.1,
  logit_bias: { '50256': -100 },
  logprobs: true,
  top_logprobs: 2,
  tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }],
  tool_choice: 'auto',
  parallel_tool_calls: false,
  response_format: { type: 'json_object' },
  reasoning_effort: 'low',
  modalities: ['text'],
  prediction: { type: 'content', content: 'x' },
  web_search_options: {},
  verbosity: 'low',
  an_unknown_field: { deep: [1, { er: 2 }] },
};
type Field = keyof typeof BODY;
const RELEVANT = (Object.keys(BODY) as Field[]).filter((field) => field !== 'model');

describe('exactKeyOf', () => {
  const plain = exactKeyOf(chatCall(BODY));

  it('is a digest that shows nothing of the request', () => {
    expect(plain).toMatch(/^[0-9a-f]{64}$/);
  });

  it('changes with the value of every field that can change the answer, known or not', () => {
    fc.assert(
      fc.property(fc.constantFrom(...RELEVANT), fc.jsonValue(), (field, value) => {
        fc.pre(JSON.stringify(value) !== JSON.stringify(BODY[field]));
        // -0 and 0 are one JSON text.
        const changed = JSON.parse(JSON.stringify({ ...BODY, [field]: value })) as typeof BODY;
        fc.pre(JSON.stringify(changed) !== JSON.stringify(BODY));
        expect(exactKeyOf(chatCall(changed))).not.toBe(plain);
      }),
      { numRuns: 1000 },
    );
  });

  it.each(RELEVANT)('changes when %s is left out', (field) => {
    const { [field]: _gone, ...rest } = BODY;
    expect(exactKeyOf(chatCall(rest))).not.toBe(plain);
  });

  it.each<[string, Partial<ChatCallInit>]>([
    ['model', { model: 'large' }],
    ['dialect', { dialect: 'anthropic' }],
    ['treatment of unsupported fields', { unsupported: 'drop' }],
    ['forwarded headers', { forwardHeaders: { 'anthropic-beta': 'x' } }],
  ])('changes with the %s of the call', (_name, changes) => {
    expect(exactKeyOf(chatCall(BODY, changes))).not.toBe(plain);
  });

  it('takes the model from the call: a rewritten call keeps its old body', () => {
    expect(exactKeyOf(chatCall({ ...BODY, model: 'other' }))).toBe(plain);
  });

  it('does not change with transport, accounting and tracing fields', () => {
    fc.assert(
      fc.property(fc.constantFrom(...IRRELEVANT_FIELDS), fc.jsonValue(), (field, value) => {
        expect(exactKeyOf(chatCall({ ...BODY, [field]: value }))).toBe(plain);
      }),
    );
    const noisy = { ...BODY, stream: true, stream_options: { include_usage: true }, user: 'u' };
    expect(exactKeyOf(chatCall({ ...noisy, metadata: { trace: '1' } }))).toBe(plain);
  });

  it('is the same for a thousand shuffles of the keys of every object', () => {
    const keys = new Set<string>();
    for (let i = 0; i < 1000; i++) {
      const json = JSON.stringify(shuffled(BODY, i + 1), null, i % 3);
      keys.add(exactKeyOf(chatCall(JSON.parse(json) as typeof BODY)));
    }
    expect(keys).toEqual(new Set([plain]));
  });

  it('changes with the order of the messages', () => {
    const turned = { ...BODY, messages: [...BODY.messages].reverse() };
    expect(exactKeyOf(chatCall(turned))).not.toBe(plain);
  });
});

describe('entryKeyOf', () => {
  const owner = { version: 1, scope: 's', tenant: 'acme', namespace: 'default' };

  it('parts identical calls that a clearing came between: the later must not join the run of the earlier', () => {
    const [before, twin, after] = [chatCall(BODY), chatCall(BODY), chatCall(BODY)];
    const keys = [
      entryKeyOf(before, owner, 0),
      entryKeyOf(twin, owner, 0),
      entryKeyOf(after, owner, 1),
    ];
    // Stored under one key all the same.
    expect(new Set(keys).size).toBe(1);
    expect(exactKeyOf(twin)).toBe(exactKeyOf(before));
    expect(exactKeyOf(after)).not.toBe(exactKeyOf(before));
  });
});

describe('entryKey', () => {
  const parts: KeyParts = {
    version: 1,
    scope: 'a'.repeat(32),
    tenant: 'acme',
    namespace: 'default',
    model: 'small',
    request: 'f'.repeat(64),
  };

  it('differs whenever one of its parts differs, whatever the strings are', () => {
    const any: fc.Arbitrary<KeyParts> = fc.record({
      version: fc.nat(3),
      scope: fc.string(),
      tenant: fc.string(),
      namespace: fc.string(),
      model: fc.string(),
      request: fc.string(),
    });
    fc.assert(
      fc.property(
        any,
        fc.constantFrom<keyof KeyParts>(
          'version',
          'scope',
          'tenant',
          'namespace',
          'model',
          'request',
        ),
        fc.string(),
        (of, part, value) => {
          const other = { ...of, [part]: part === 'version' ? of.version + 1 : value };
          fc.pre(other[part] !== of[part]);
          expect(entryKey(other)).not.toBe(entryKey(of));
        },
      ),
    );
  });

  it('cannot be confused by text that moves from one part to the next', () => {
    expect(entryKey({ ...parts, tenant: 'a:b', namespace: 'c' })).not.toBe(
      entryKey({ ...parts, tenant: 'a', namespace: 'b:c' }),
    );
  });

  it('has four parts, the first three readable, whatever the names hold', () => {
    expect(entryKey(parts)).toMatch(/^acme:default:small:[0-9a-f]{64}$/);
    expect(entryKey({ ...parts, tenant: 'a:b c' }).split(':')).toHaveLength(4);
    // Half of a surrogate pair, which JSON can hold and a URI cannot.
    expect(entryKey({ ...parts, model: 'a\ud800b' }).split(':')).toHaveLength(4);
    expect(entryKey({ ...parts, tenant: 'a:b c' })).toMatch(/^a%3Ab%20c:/);
  });
});

/** The same value with the keys of every object in another order. */
function shuffled<T>(value: T, seed: number): T {
  if (Array.isArray(value)) return value.map((item) => shuffled(item as unknown, seed)) as T;
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).map(([key, item]) => [
    key,
    shuffled(item as unknown, seed),
  ]);
  let state = seed;
  for (let i = entries.length - 1; i > 0; i--) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    const j = (state >>> 8) % (i + 1);
    [entries[i], entries[j]] = [entries[j]!, entries[i]!];
  }
  return Object.fromEntries(entries) as T;
}
