import { describe, expect, it } from '@jest/globals';
import { Clearings } from './clearings.js';

describe('Clearings', () => {
  it('hit what was asked for before them, and nothing after', () => {
    const clearings = new Clearings();
    const before = clearings.generation;
    clearings.note(undefined);
    expect(clearings.hit('k', before)).toBe(true);
    expect(clearings.hit('k', clearings.generation)).toBe(false);
  });

  it('hit only what they name: a pattern, or one key', () => {
    const clearings = new Clearings();
    const before = clearings.generation;
    clearings.note(/^acme:/u);
    clearings.note('other:1');
    const hit = ['acme:1', 'other:1', 'other:2'].map((key) => clearings.hit(key, before));
    expect(hit).toEqual([true, true, false]);
  });

  it('hit everything that has been under way for longer than they are remembered', () => {
    const clearings = new Clearings();
    const before = clearings.generation;
    for (let i = 0; i < 65; i++) clearings.note(`k${i}`);
    expect(clearings.hit('any', before)).toBe(true);
    expect(clearings.hit('any', before + 1)).toBe(false);
  });
});
