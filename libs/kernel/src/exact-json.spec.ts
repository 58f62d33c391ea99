import { describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { isExactNumber, parseExact } from './exact-json.js';

/** Says the same, a value at a time. */
function byReviver(text: string): unknown {
  const json = JSON as unknown as {
    parse(
      text: string,
      revive: (key: string, value: unknown, context: { source?: string }) => unknown,
    ): unknown;
    rawJSON(text: string): unknown;
  };
  return json.parse(text, (_key, value, { source = '' }) =>
    Number.isInteger(value) && !Number.isSafeInteger(value) && /^-?\d+$/.test(source)
      ? json.rawJSON(source)
      : value,
  );
}

describe('numbers that JavaScript would round', () => {
  it.each([
    '{"id":12345678901234567890}',
    '[-9007199254740993,9007199254740992,1]',
    '{"a":{"b":[18446744073709551615]},"text":"12345678901234567890"}',
    '123456789012345678901234567890',
  ])('keep their digits: %s', (text) => {
    expect(JSON.stringify(parseExact(text))).toBe(text);
  });

  it('are objects of their own, and all others are numbers', () => {
    const [large, small, fraction, power, text] = parseExact(
      '[12345678901234567890,9007199254740991,0.1234567890123,1e300,"12345678901234567890"]',
    ) as unknown[];
    expect(isExactNumber(large)).toBe(true);
    expect([small, fraction, power, text]).toEqual([
      9007199254740991,
      0.1234567890123,
      1e300,
      '12345678901234567890',
    ]);
    expect([small, text, null, { rawJSON: '1' }].some(isExactNumber)).toBe(false);
  });

  it.each([
    ['the last of two keys', '{"a":12345678901234567890,"a":"x"}', '{"a":"x"}'],
    [
      'the last of two numbers',
      '{"a":12345678901234567890,"a":12345678901234567891}',
      '{"a":12345678901234567891}',
    ],
    [
      'the members of the last of two objects',
      '{"a":{"b":12345678901234567890},"a":{"c":1}}',
      '{"a":{"c":1}}',
    ],
    [
      'escaped keys',
      String.raw`{"\"\\":[{},{"\u0061":12345678901234567890}]}`,
      String.raw`{"\"\\":[{},{"a":12345678901234567890}]}`,
    ],
    [
      'what is no integer',
      '[1234567890123456789.5,12345678901234567e3,1e400]',
      '[1234567890123456800,12345678901234567000,null]',
    ],
  ])('do not change %s', (_, text, read) => {
    expect(JSON.stringify(parseExact(text))).toBe(read);
  });

  it('are not looked for by a reviver, which costs a body of ten megabytes five seconds', () => {
    const parse = jest.spyOn(JSON, 'parse');
    try {
      parseExact('{"a":[1,2,12345678901234567890]}');
      expect(parse.mock.calls.filter(([, reviver]) => reviver !== undefined)).toEqual([]);
    } finally {
      parse.mockRestore();
    }
  });

  it('reach no prototype', () => {
    const value = parseExact('{"__proto__":{"polluted":12345678901234567890}}') as object;
    expect(Object.hasOwn(value, '__proto__')).toBe(true);
    expect(parseExact('{"a":{},"__proto__":12345678901234567890}')).toHaveProperty('a', {});
    expect(Object.prototype).not.toHaveProperty('polluted');
  });

  it('are those that a reviver would find, wherever they are', () => {
    const large = fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }).map((n) => `@${n}@`);
    const { json } = fc.letrec((tie) => ({
      json: fc.oneof(
        { maxDepth: 5 },
        large,
        fc.array(tie('json'), { maxLength: 4 }),
        fc.dictionary(fc.string(), tie('json'), { maxKeys: 4 }),
        fc.oneof(fc.string(), fc.double(), fc.integer(), fc.constantFrom(null, true, '\\', '"')),
      ),
    }));
    fc.assert(
      fc.property(json, fc.constantFrom(undefined, 2), (value, space) => {
        const text = JSON.stringify(value, null, space).replaceAll(/"@(-?\d+)@"/g, '$1');
        expect(JSON.stringify(parseExact(text))).toBe(JSON.stringify(byReviver(text)));
      }),
      { numRuns: 500 },
    );
  });

  it('do not make valid what is not', () => {
    expect(() => parseExact('{"a":12345678901234567890')).toThrow(SyntaxError);
  });
});
