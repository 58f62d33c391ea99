import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { plainText, stemOf, tokensOf } from './words.js';
import { weightOf } from './word-weights.js';

describe('tokensOf', () => {
  it.each<[string, string[]]>([
    ["What's up?", ['what', 'is', 'up']],
    ["I can't, won\u2019t", ['i', 'can', 'not', 'will', 'not']],
    ['I cannot', ['i', 'can', 'not']],
    ['the pros of a five-minute call', ['the', 'pros', 'of', 'a', 'five', 'minute', 'call']],
    ['order WT-44219', ['order', 'wt44219']],
    ['a 401(k) plan', ['a', '401k', 'plan']],
    ['$5,000 at 3.5%', ['$5,000', 'at', '3.5%']],
    ['C++ or C#', ['c++', 'or', 'c#']],
    ['', []],
  ])('reads %j as %j', (text, tokens) => {
    expect(tokensOf(text)).toEqual(tokens);
  });

  it('reads what differs only in typing as one text', () => {
    expect(tokensOf('\u201CHello\u201D \u2014 don\u2019t')).toEqual(tokensOf('"hello" - do not'));
    expect(plainText('\uFF21\u2013b')).toBe('A-b');
  });

  it('never fails, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        for (const token of tokensOf(text)) expect(stemOf(token)).not.toBe('');
      }),
    );
  });
});

describe('stemOf', () => {
  it('leaves something of a word that is nothing but an ending', () => {
    expect(stemOf('ment')).toBe('ment');
    expect(stemOf('ments')).toBe('ment');
  });

  it.each([
    ['charges', 'charged'],
    ['running', 'run'],
    ['stolen', 'stealing'],
    ['children', 'child'],
    ['categories', 'category'],
    ['quickly', 'quick'],
    ['organise', 'organize'],
    ['boxes', 'box'],
  ])('puts %s and %s together', (a, b) => {
    expect(stemOf(a)).toBe(stemOf(b));
  });

  it.each([
    ['business', 'busy'],
    ['string', 'str'],
    ['401k', '401'],
  ])('keeps %s and %s apart', (a, b) => {
    expect(stemOf(a)).not.toBe(stemOf(b));
  });
});

describe('weightOf', () => {
  it('finds rare words more telling than common ones, unknown ones most', () => {
    expect(weightOf('the')).toBeLessThan(weightOf('card'));
    expect(weightOf('card')).toBeLessThan(weightOf('zyzzyva'));
  });
});
