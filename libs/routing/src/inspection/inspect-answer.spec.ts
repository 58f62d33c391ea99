import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ChatMessage, Prompt } from '@sluice/kernel';
import { answerOf, conversation } from '../../testing/routing.world.js';
import { evaluate } from './expression.js';
import { inspectAnswer } from './inspect-answer.js';
import { schemaFault } from './json.schema.js';

const ask = conversation;
const faults = (prompt: Prompt, message: ChatMessage) =>
  inspectAnswer(prompt, message).findings.map((f) => f.fault);
const toolCall = (name: string, args: string) =>
  answerOf('', {
    parts: [{ type: 'tool_call', id: 'c', name, arguments: args }],
    finish: 'tool_calls',
  });

describe('an answer', () => {
  it('without anything to check passes and says how little that means', () => {
    const inspection = inspectAnswer(ask('Tell me a story'), answerOf('Once upon a time.'));
    expect(inspection).toEqual({ ok: true, findings: [], checked: ['refusal', 'truncation'] });
  });

  it.each([
    "I'm sorry, but I can't help with that.",
    'As an AI language model, I cannot do this.',
    'I don’t have enough information to say.',
    'It is impossible to determine the answer.',
  ])('that gives up is a refusal: %s', (text) => {
    expect(faults(ask('Tell me a story'), answerOf(text))).toEqual(['refusal']);
  });

  it('that the provider filtered or refused is a refusal', () => {
    expect(faults(ask('x'), answerOf('abc', { finish: 'content_filter' }))).toContain('refusal');
    const refusal = answerOf('', { parts: [{ type: 'refusal', text: 'no' }] });
    expect(faults(ask('x'), refusal)).toContain('refusal');
  });

  it('that was cut, is empty or leaves a code fence open is found', () => {
    expect(faults(ask('x'), answerOf('and then', { finish: 'length' }))).toEqual(['truncated']);
    expect(faults(ask('x'), answerOf(''))).toEqual(['empty']);
    expect(faults(ask('x'), answerOf('```js\nlet a = 1;'))).toEqual(['truncated']);
    expect(faults(ask('x'), { ...answerOf(''), choices: [] })).toEqual(['empty']);
  });

  it('that was cut where the caller wanted it short is as ordered', () => {
    expect(
      faults({ ...ask('x'), maxTokens: 16 }, answerOf('and then', { finish: 'length' })),
    ).toEqual([]);
  });

  it('is read in every choice', () => {
    const two = answerOf('fine');
    const bad = answerOf('I cannot help with that').choices[0]!;
    expect(faults(ask('x'), { ...two, choices: [...two.choices, { ...bad, index: 1 }] })).toEqual([
      'refusal',
    ]);
  });
});

describe('arithmetic', () => {
  it.each([
    ['3 + 4 = 7', true],
    ['3 + 4 = 8', false],
    ['so 12 * (3 + 4) = 84 apples', true],
    ['5 × 6 = 35', false],
    ['$1,200 / 4 = $300', true],
    ['10 / 3 = 3.33', true],
    ['10 / 3 = 3.4', false],
    ['2^10 = 1024', true],
    ['20% * 50 = 10', true],
    ['3 + 4 = 7 + 1 = 8', true],
    ['x = 4 and y = 5', true],
    ['100 - 30 - 20 = 50', true],
  ])('%s → %s', (text, ok) => {
    expect(inspectAnswer(ask('How many?'), answerOf(text)).ok).toBe(ok);
  });

  it('recomputes a bare calculation', () => {
    const prompt = ask('What is 123 * 456?');
    expect(faults(prompt, answerOf('It is 56,088.'))).toEqual([]);
    expect(faults(prompt, answerOf('It is 56,078.'))).toEqual(['arithmetic']);
  });

  it('misses a number where one was asked for', () => {
    expect(faults(ask('How many apples are left?'), answerOf('Some apples.'))).toEqual([
      'no_number',
    ]);
    expect(faults(ask('How many apples are left?'), answerOf('None.'))).toEqual([]);
  });

  it('holds every true sum and finds every wrong one', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 9999 }),
        fc.integer({ min: 1, max: 9999 }),
        fc.constantFrom('+', '-', '*'),
        fc.integer({ min: 1, max: 50 }),
        (a, b, operator, off) => {
          const value = operator === '+' ? a + b : operator === '-' ? a - b : a * b;
          const prompt = ask('How much is it?');
          expect(faults(prompt, answerOf(`First ${a} ${operator} ${b} = ${value}.`))).toEqual([]);
          expect(faults(prompt, answerOf(`First ${a} ${operator} ${b} = ${value + off}.`))).toEqual(
            ['arithmetic'],
          );
        },
      ),
    );
  });

  it('never throws and never hangs on hostile text', () => {
    const shapes = [
      fc.string({ maxLength: 200 }),
      fc
        .array(fc.constantFrom('(', ')', '1', '+', '=', ' ', '**', '^', '-', '9'), {
          maxLength: 300,
        })
        .map((p) => p.join('')),
    ];
    fc.assert(
      fc.property(fc.oneof(...shapes), (text) => {
        evaluate(text);
        inspectAnswer(ask(text), answerOf(text));
      }),
    );
    const start = performance.now();
    inspectAnswer(ask('How many?'), answerOf('1 + '.repeat(10_000)));
    inspectAnswer(ask('How many?'), answerOf('('.repeat(20_000)));
    inspectAnswer(ask('How many?'), answerOf('1 '.repeat(10_000)));
    expect(performance.now() - start).toBeLessThan(3_000);
  });

  it('evaluates with the usual precedence', () => {
    expect(evaluate('2 + 3 * 4')).toBe(14);
    expect(evaluate('2 ^ 3 ^ 2')).toBe(512);
    expect(evaluate('-(4 - 6) * 50%')).toBe(1);
    expect(evaluate('2 **')).toBeUndefined();
    expect(evaluate('1 / 0')).toBeUndefined();
    expect(evaluate('(1')).toBeUndefined();
    expect(evaluate('one')).toBeUndefined();
  });
});

describe('JSON', () => {
  const schema = {
    type: 'object',
    required: ['name', 'tags'],
    additionalProperties: false,
    properties: {
      name: { type: 'string' },
      tags: { type: 'array', items: { $ref: '#/$defs/tag' } },
      size: { anyOf: [{ type: 'integer' }, { type: 'null' }] },
      kind: { const: 'a' },
    },
    $defs: { tag: { enum: ['x', 'y'] } },
  } as const;
  const prompt: Prompt = {
    ...ask('x'),
    responseFormat: { type: 'json_schema', name: 's', schema },
  };

  it.each([
    ['{"name":"a","tags":["x"]}', undefined],
    ['{"name":"a","tags":["x"],"size":null,"kind":"a"}', undefined],
    ['{"name":"a"}', 'tags is missing'],
    ['{"name":1,"tags":[]}', 'name is not of type string'],
    ['{"name":"a","tags":["z"]}', 'tags[0] is not one of the allowed values'],
    ['{"name":"a","tags":[],"more":1}', 'more is not allowed'],
    ['{"name":"a","tags":[],"size":1.5}', 'size fits no alternative'],
    ['{"name":"a","tags":[],"kind":"b"}', 'kind is not the constant'],
    ['not json', 'not valid JSON'],
  ])('%s → %s', (text, detail) => {
    const { findings } = inspectAnswer(prompt, answerOf(text));
    expect(findings.map((f) => f.detail)).toEqual(detail === undefined ? [] : [detail]);
  });

  it('without a schema must parse', () => {
    const plain: Prompt = { ...ask('x'), responseFormat: { type: 'json' } };
    expect(faults(plain, answerOf('{"a":1}'))).toEqual([]);
    expect(faults(plain, answerOf('a: 1'))).toEqual(['schema']);
  });

  it('survives schemas that refer to themselves', () => {
    const loop = { $ref: '#' };
    expect(schemaFault({ a: 1 }, loop)).toBeUndefined();
    const deep = { type: 'object', properties: { next: { $ref: '#' } } };
    let value: object = {};
    for (let i = 0; i < 100; i++) value = { next: value };
    expect(schemaFault(value, deep)).toBeUndefined();
    expect(schemaFault(1, { type: ['string', 'boolean'] })).toContain('not of type');
  });
});

describe('tool calls', () => {
  const prompt: Prompt = {
    ...ask('x'),
    tools: [
      {
        name: 'find',
        parameters: { type: 'object', required: ['q'], properties: { q: { type: 'string' } } },
      },
      { name: 'ping' },
    ],
  };

  it('must name a tool and fit its schema', () => {
    expect(faults(prompt, toolCall('find', '{"q":"a"}'))).toEqual([]);
    expect(faults(prompt, toolCall('ping', ''))).toEqual([]);
    expect(faults(prompt, toolCall('find', '{"q":1}'))).toEqual(['tool_arguments']);
    expect(faults(prompt, toolCall('find', '{"q":'))).toEqual(['tool_arguments']);
    expect(faults(prompt, toolCall('seek', '{}'))).toEqual(['tool_arguments']);
  });

  it('must be made when they are required', () => {
    expect(faults({ ...prompt, toolChoice: { type: 'required' } }, answerOf('hello'))).toEqual([
      'tool_arguments',
    ]);
    expect(faults(prompt, answerOf('hello'))).toEqual([]);
  });
});

describe('code', () => {
  const prompt = ask('Write a Python function that adds two numbers.');

  it('must be there and must be more than a placeholder', () => {
    expect(faults(prompt, answerOf('```python\ndef add(a, b):\n    return a + b\n```'))).toEqual(
      [],
    );
    expect(faults(prompt, answerOf('```python\ndef add(a, b):\n    pass\n```'))).toEqual([
      'empty_code',
    ]);
    expect(faults(prompt, answerOf('```python\n# TODO: write this\n```'))).toEqual(['empty_code']);
    expect(faults(prompt, answerOf('Sure, happy to'))).toEqual(['empty_code']);
    expect(faults(prompt, answerOf('def add(a, b): return a + b'))).toEqual([]);
    expect(faults(prompt, toolCall('x', '{}'))).not.toContain('empty_code');
  });
});
