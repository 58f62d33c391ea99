import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { hash } from 'node:crypto';
import { KeyFilter } from './key-filter.js';

const keyOf = (n: number) => `acme:default:small:${hash('sha256', String(n), 'hex')}`;

describe('KeyFilter', () => {
  it('never denies what was added, whatever the keys are', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (keys) => {
        const filter = new KeyFilter();
        for (const key of keys) filter.add(key);
        expect(keys.every((key) => filter.has(key))).toBe(true);
      }),
    );
  });

  it('denies nearly everything else, as full as it may be', () => {
    const filter = new KeyFilter();
    let n = 0;
    while (!filter.isCrowded) filter.add(keyOf(n++));
    let wrong = 0;
    for (let i = 0; i < 20_000; i++) if (filter.has(keyOf(-1 - i))) wrong++;
    expect(n).toBeGreaterThanOrEqual(30_000);
    expect(wrong / 20_000).toBeLessThan(0.01);
  });

  it('goes to another thread as its words', () => {
    const made = new KeyFilter(KeyFilter.wordsFor(200_000));
    made.add('k');
    const got = new KeyFilter(structuredClone(made.words));
    expect([got.has('k'), got.has('other')]).toEqual([true, false]);
    expect(made.words.length * 32).toBeGreaterThanOrEqual(400_000 * 16);
  });
});
