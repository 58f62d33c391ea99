import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseExact } from './exact-json.js';
import { scanJson } from './json-scan.js';
import { RawJson } from './raw-json.js';

/** As the door parses: a prototype is left out. */
function parse(text: string): object {
  const value = parseExact(text) as { __proto__?: unknown };
  delete value.__proto__;
  return value;
}

/** What goes upstream for `text` when these members must differ; undefined: serialise it anew. */
function spliced(text: string, changes: Record<string, unknown>): string | undefined {
  return new RawJson(Buffer.from(text)).with(parse(text), changes)?.toString();
}

describe('a body with other values for some outermost members', () => {
  it.each([
    ['{"model":"a","n":1.0}', { model: 'b' }, '{"model":"b","n":1.0}'],
    ['{ "model" : "a" , "x":[] }', { model: 'b' }, '{ "model" : "b" , "x":[] }'],
    ['{"x":{"model":"a"},"model":"a"}', { model: 'b' }, '{"x":{"model":"a"},"model":"b"}'],
    [
      '{"seed":9007199254740993,"2":0,"1":1e2}\n',
      { model: 'b' },
      '{"seed":9007199254740993,"2":0,"1":1e2,"model":"b"}\n',
    ],
    ['{"a":"\\u00e9\\/","model":"x"}', { model: 'é' }, '{"a":"\\u00e9\\/","model":"é"}'],
    ['{"mod\\u0065l":"a"}', { model: 'b' }, '{"mod\\u0065l":"b"}'],
    ['{"a":"}\\",:{","m":[{"b":"]"}]}', { a: 1, c: 2 }, '{"a":1,"m":[{"b":"]"}],"c":2}'],
    ['{"m":[{"b":"\\\\"}] }', { c: [1], d: null }, '{"m":[{"b":"\\\\"}],"c":[1],"d":null }'],
    ['{ }', { c: 1, d: 2 }, '{"c":1,"d":2 }'],
    ['{"日本":"語","model":"a"}', { model: 'b' }, '{"日本":"語","model":"b"}'],
    ['{"model":"a"}', {}, '{"model":"a"}'],
  ])('%s with %j is %s', (text, changes, expected) => {
    expect(spliced(text, changes)).toBe(expected);
  });

  it.each([
    ['at the top', '{"model":"dear","model":"cheap"}'],
    ['in a message', '{"messages":[{"role":"system","role":"user","content":"x"}]}'],
    ['in another spelling', '{"model":"dear","mod\\u0065l":"cheap"}'],
    ['as a prototype, which was left out', '{"model":"m","__proto__":{"a":1}}'],
  ])('is not made of bytes where a key stands twice %s: readers differ', (_, text) => {
    expect(spliced(text, { model: 'b' })).toBeUndefined();
    expect(spliced(text, {})).toBeUndefined();
  });

  it.each([
    ['{"usage":null,"a":1}', '{"a":1}'],
    ['{ "usage": {"x":[1,2]} }', '{  }'],
    ['{"a":{"usage":1}, "usage": {"x":"}"} , "b":2}', '{"a":{"usage":1} , "b":2}'],
    ['{"a":1.0 ,"usage":3\n}', '{"a":1.0 \n}'],
    ['{"a":1}', '{"a":1}'],
  ])('%s loses one and is %s', (text, expected) => {
    expect(new RawJson(Buffer.from(text)).without(parse(text), 'usage')?.toString()).toBe(expected);
  });

  it('is forgotten once it is released', () => {
    const bytes = Buffer.from('{"a":1}');
    const raw = new RawJson(bytes);
    raw.release();
    expect(raw.with({ a: 1 }, {})).toBeUndefined();
  });

  it('says what a serialised change says, and leaves every other byte alone', () => {
    const key = fc.oneof(fc.string({ maxLength: 6 }), fc.constantFrom('model', 'stream', 'a'));
    const object = fc.dictionary(
      key.filter((k) => k !== '__proto__'),
      fc.jsonValue({ maxDepth: 3 }),
      { maxKeys: 6 },
    );
    const space = fc.constantFrom('', ' ', '\n', '\t ');
    fc.assert(
      fc.property(object, object, space, fc.nat(3), (body, changes, pad, indent) => {
        const text = `${pad}${JSON.stringify(body, undefined, indent)}${pad}`;
        fc.pre(!text.includes('__proto__'));
        const before = JSON.parse(text) as Record<string, unknown>;
        const after = spliced(text, changes);
        expect(JSON.parse(after ?? '')).toEqual({
          ...before,
          ...JSON.parse(JSON.stringify(changes)),
        });
        // Changing the members back gives the text again, but for what was not there.
        const old = Object.fromEntries(Object.entries(before).filter(([k]) => k in changes));
        if (indent === 0 && Object.keys(changes).every((k) => k in before)) {
          expect(spliced(after ?? '', old)).toBe(text);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('the outline', () => {
  const caps = { depth: 3, arrayLength: 2 };
  const scan = (text: string) => scanJson(Buffer.from(text), caps);

  it('counts the members at every depth, and not what is in texts', () => {
    expect(scan('{"a":[{"b:":"c:,{"},2],"d":{}}').members).toBe(3);
  });

  it('refuses what is too deep or too long before anything is allocated for it', () => {
    expect(() => scan('[[1,2],[3,4]]')).not.toThrow();
    expect(() => scan('[[[[1]]]]')).toThrow(/nested deeper than 3/);
    expect(() => scan('[1,2,3]')).toThrow(/more than 2 elements/);
  });

  it('survives what is no JSON', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 40 }),
        fc.stringMatching(/^[[\]{}:,"\\a ]*$/),
        (b, t) => {
          expect(() => scanJson(b)).not.toThrow();
          expect(() => scanJson(Buffer.from(t))).not.toThrow();
        },
      ),
    );
  });
});
