import { beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import ranks from 'gpt-tokenizer/bpeRanks/o200k_base';
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { BytePairCounter, buildTable, packTable, unpackTable } from './byte-pair.js';

let counter: BytePairCounter;
beforeAll(() => {
  counter = new BytePairCounter(buildTable(ranks));
});

const asText = { disallowedSpecial: new Set<string>() };
const library = (text: string) => countTokens(text, asText);

describe('BytePairCounter', () => {
  it.each([
    '',
    ' ',
    'hello world',
    "they'll don't I'VE",
    'camelCaseAndPascalCase HTTPServer2Go',
    '   \n\n\t x\r\n  ',
    '0123456789 3.14159',
    'Ünïcödé, naïve café, straße',
    '今天的天气非常好。日本語とカタカナ',
    'Привет, мир! שלום עולם مرحبا بالعالم',
    '😀👩‍👩‍👧‍👦🇩🇪 e\u0301',
    '<|endoftext|> <|im_start|>',
    '\ud800 a lone surrogate \udfff',
    'https://example.com/a/b?c=d&e=%20#f // comment\n\n/* x */',
    '\u0000\u0001\u007f',
  ])('counts %j like the tokenizer it was made from', (text) => {
    expect(counter.count(text)).toBe(library(text));
  });

  it.each(['README.md', 'package-lock.json', 'libs/model-catalog/src/byte-pair.ts'])(
    'counts %s like the tokenizer it was made from',
    (file) => {
      const text = readFileSync(file, 'utf8').slice(0, 200_000);
      expect(counter.count(text)).toBe(library(text));
    },
  );

  it('counts any text like the tokenizer it was made from', () => {
    for (const unit of ['grapheme', 'binary', 'binary-ascii'] as const) {
      fc.assert(
        fc.property(fc.string({ unit, maxLength: 120 }), (text) => {
          expect(counter.count(text)).toBe(library(text));
        }),
        { numRuns: 500 },
      );
    }
  });

  it('counts words of letters that are in no vocabulary', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-zäß]{1,300}$/), (word) => {
        expect(counter.count(word)).toBe(library(word));
      }),
      { numRuns: 100 },
    );
  });

  it('counts a word that no language has in pieces, so that it cannot take long', () => {
    const word = 'ab'.repeat(4_000);
    expect(counter.count(word)).toBeGreaterThanOrEqual(library(word));
    expect(counter.count(word)).toBeLessThan(library(word) * 1.02);
  });

  it('counts quickly, or leaves it to whoever has the time', () => {
    expect(counter.countQuickly('short enough')).toBe(library('short enough'));
    expect(counter.countQuickly(`fine ${'x'.repeat(65)}`)).toBeUndefined();
  });
});

describe('a packed table', () => {
  const shared = (bytes: Uint8Array): SharedArrayBuffer => {
    const buffer = new SharedArrayBuffer(bytes.length);
    new Uint8Array(buffer).set(bytes);
    return buffer;
  };
  const table = buildTable(['a', 'b', 'ab', [255]]);

  it('is the same when unpacked', () => {
    expect(unpackTable(shared(packTable(table)))).toEqual(table);
  });

  it('is not taken when it is cut, too long, of another kind or empty', () => {
    const packed = packTable(table);
    for (const bytes of [
      packed.subarray(0, -1),
      Uint8Array.of(...packed, 0),
      packed.toReversed(),
      new Uint8Array(0),
    ]) {
      expect(unpackTable(shared(bytes))).toBeUndefined();
    }
  });
});
