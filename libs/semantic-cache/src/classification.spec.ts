import { describe, expect, it } from '@jest/globals';
import { configFromObjects } from '@sluice/config';
import { DEFAULT_CACHE_CONTROLS, type CacheControls, type Prompt } from '@sluice/kernel';
import { answer, ask, chatCall } from '../testing/cache-calls.js';
import { classify, isPlainText, isStorable, MAX_SEMANTIC_CHARS, ttlOf } from './classification.js';

const { cache } = configFromObjects({
  sluice: {
    cache: {
      maxTemperature: 0.5,
      ttl: { default: '2h', code: '1h', planning: '24h', fresh: '1m' },
      l2: { ttl: '30m' },
    },
  },
}).current.sluice;

const of = (prompt: Prompt, controls: CacheControls = DEFAULT_CACHE_CONTROLS) =>
  classify(prompt, controls, cache);
const ofText = (text: string) => of(ask(text).prompt);

describe('classify', () => {
  it.each([
    'What is a deadlock?',
    'How do I cancel a subscription?',
    'Could you explain photosynthesis?',
    'Is it safe to delete this folder?',
    'What does transfer of title mean?',
  ])('compares %j by meaning', (text) => {
    expect(ofText(text).reach).toBe('semantic');
  });

  it.each([
    'Send 50 dollars to Bob',
    'please cancel my subscription',
    'Hi, could you please transfer $20 to my savings account?',
    'Hello! I want you to book a table for two',
    'set my alarm to 7',
    'Turn off the lights',
    'close my account',
    "let's order pizza",
  ])('never keeps what acts: %j', (text) => {
    expect(ofText(text)).toMatchObject({ reach: 'never', reason: 'action' });
  });

  it.each([
    "What's the weather in Paris?",
    'Who is the current president of France?',
    'What happened today in the markets?',
    'latest version of Node',
    'What time is it?',
    'How many users do we have so far?',
  ])('keeps %j a short time and word for word only', (text) => {
    expect(ofText(text)).toEqual({ reach: 'exact', reason: 'fresh', ttl: 'fresh' });
  });

  it.each(['why?', 'And?', 'continue', 'Tell me more', 'please', 'thanks!', '  ', 'yes.'])(
    'compares %j, which says nothing by itself, word for word only',
    (text) => {
      expect(ofText(text).reach).toBe('exact');
    },
  );

  it('compares long questions, prefilled answers and attachments word for word only', () => {
    expect(ofText('a '.repeat(MAX_SEMANTIC_CHARS)).reason).toBe('long');
    expect(of(ask(['Name a colour', 'The colour is']).prompt).reason).toBe('prefill');
    const picture = {
      messages: [
        {
          role: 'user' as const,
          parts: [
            { type: 'text' as const, text: 'What is in this picture?' },
            { type: 'image' as const, url: 'https://x/y.png' },
          ],
        },
      ],
    };
    expect(of(picture)).toMatchObject({ reach: 'exact', reason: 'attachment' });
  });

  it('never keeps the turn of a tool, nor an empty prompt', () => {
    const messages = [
      { role: 'user', content: 'What is 2+2?' },
      { role: 'tool', content: '4' },
    ];
    expect(of(chatCall({ messages }).prompt)).toMatchObject({
      reach: 'never',
      reason: 'tool_result',
    });
    expect(of({ messages: [] })).toMatchObject({ reach: 'never', reason: 'empty' });
  });

  it('never keeps hot answers unless the caller asked for it', () => {
    const hot = { ...ask('Tell a joke').prompt, temperature: 0.6 };
    expect(of(hot)).toMatchObject({ reach: 'never', reason: 'temperature' });
    expect(of(hot, { ...DEFAULT_CACHE_CONTROLS, asked: true }).reach).toBe('semantic');
    expect(of({ ...hot, temperature: 0.5 }).reach).toBe('semantic');
  });

  it('tells code and planning from the rest', () => {
    expect(ofText('Write a function that sorts').ttl).toBe('code');
    expect(ofText('Give me an itinerary for Rome').ttl).toBe('planning');
    expect(ofText('What is a lock?').ttl).toBe('default');
  });
});

describe('ttlOf', () => {
  it('takes the class, bounds the default by the second tier, and lets the caller decide', () => {
    const minutes = (kind: 'default' | 'code' | 'planning' | 'fresh') =>
      ttlOf(kind, DEFAULT_CACHE_CONTROLS, cache) / 60_000;
    expect([minutes('default'), minutes('code'), minutes('planning'), minutes('fresh')]).toEqual([
      30, 60, 1440, 1,
    ]);
    expect(ttlOf('code', { ...DEFAULT_CACHE_CONTROLS, ttlSeconds: 5 }, cache)).toBe(5000);
  });
});

describe('isStorable', () => {
  it('accepts whole answers and tool calls', () => {
    expect(isStorable(answer('A lock is a device.'))).toBe(true);
    const call = { type: 'tool_call' as const, id: 't', name: 'f', arguments: '{}' };
    expect(isStorable(answer([call], 'tool_calls'))).toBe(true);
  });

  it.each(['length', 'content_filter', 'refusal', 'pause'] as const)(
    'refuses finish %s',
    (finish) => {
      expect(isStorable(answer('A lock is', finish))).toBe(false);
    },
  );

  it.each([
    "I'm sorry, but I can't help with that.",
    'I cannot assist with this request.',
    'Sorry, I am unable to do so.',
    "I can't comply.",
  ])('refuses a refusal in words: %j', (text) => {
    expect(isStorable(answer(text))).toBe(false);
  });

  it('refuses refusal parts, blank text, nothing, and no choice', () => {
    expect(isStorable(answer([{ type: 'refusal', text: 'no' }]))).toBe(false);
    expect(isStorable(answer('  \n'))).toBe(false);
    expect(isStorable(answer([]))).toBe(false);
    expect(isStorable({ ...answer('x'), choices: [] })).toBe(false);
  });

  it('refuses as a whole when one of several choices was cut', () => {
    const whole = answer('A lock.');
    const [first] = whole.choices;
    const cut = { ...first!, index: 1, finish: 'length' as const };
    expect(isStorable({ ...whole, choices: [first!, cut] })).toBe(false);
  });

  it('takes no apology inside an answer for a refusal', () => {
    expect(isStorable(answer('Say: "I am late", then apologise. You cannot do more.'))).toBe(true);
  });
});

describe('isPlainText', () => {
  it('is true of text with or without reasoning, and of no tool call', () => {
    const text = { type: 'text' as const, text: 'x' };
    expect(isPlainText(answer([{ type: 'reasoning', text: 'y' }, text]))).toBe(true);
    const call = { type: 'tool_call' as const, id: 't', name: 'f', arguments: '{}' };
    expect(isPlainText(answer([text, call]))).toBe(false);
    expect(isPlainText(answer('x', 'tool_calls'))).toBe(false);
  });
});
