import { describe, expect, it } from '@jest/globals';
import { parseJson } from './body-parser.js';

const caps = { depth: 8, arrayLength: 10 };
const parse = (text: string): unknown => parseJson(Buffer.from(text), caps).value;

describe('the body parser', () => {
  it.each([
    ['in plain', '{"__proto__":{"admin":true},"a":{"__proto__":1,"b":2}}'],
    [
      'with an escaped letter',
      String.raw`{"\u005f_proto__":{"admin":true},"a":{"__\u0070roto__":1,"b":2}}`,
    ],
    ['with an escape in capitals', String.raw`{"__pr\u006Fto__":{"admin":true},"a":{"b":2}}`],
  ])('drops a prototype %s, at every depth', (_, text) => {
    const body = parse(text);
    expect(JSON.stringify(body)).toBe('{"a":{"b":2}}');
    // Code that copies properties one by one would otherwise set the copy's prototype.
    const copy: Record<string, unknown> = {};
    for (const [key, value] of Object.entries(body as object)) copy[key] = value;
    expect(copy.admin).toBeUndefined();
  });

  it('keeps the word where it is a value', () => {
    expect(parse('{"text":"what is __proto__?"}')).toEqual({ text: 'what is __proto__?' });
  });
});
