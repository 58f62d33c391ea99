import { describe, expect, it } from '@jest/globals';
import { isExactNumber, parseExact } from './exact-json.js';

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

  it('leave the caller’s reviver its say', () => {
    const drop = (key: string, value: unknown) => (key === 'b' ? undefined : value);
    const text = '{"a":12345678901234567890,"b":1}';
    expect(JSON.stringify(parseExact(text, drop))).toBe('{"a":12345678901234567890}');
    expect(parseExact('{"a":1,"b":1}', drop)).toEqual({ a: 1 });
  });

  it('do not make valid what is not', () => {
    expect(() => parseExact('{"a":12345678901234567890')).toThrow(SyntaxError);
  });
});
