import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { usage, type Price } from '@sluice/kernel';
import { costOf } from './usage.cost.js';

const price: Price = { input: 3, output: 15, cachedInput: 0.3, cacheWrite: 3.75, reasoning: 20 };

describe('costOf', () => {
  it('counts every class once, at its own price', () => {
    const spent = usage({
      input: 1000,
      cachedInput: 600,
      cacheWrite: 100,
      output: 500,
      reasoning: 200,
    });
    expect(costOf(spent, price)).toBe(300 * 3 + 600 * 0.3 + 100 * 3.75 + 300 * 15 + 200 * 20);
  });
  it('charges a class without a price like its total', () => {
    const spent = usage({ input: 10, cachedInput: 5, cacheWrite: 2, output: 8, reasoning: 3 });
    expect(costOf(spent, { input: 2, output: 4 })).toBe(10 * 2 + 8 * 4);
  });
  it('rounds up to a whole micro-USD, forgiving binary noise', () => {
    expect(costOf(usage({ input: 3 }), { input: 0.15, output: 0 })).toBe(1);
    expect(costOf(usage({ input: 20 }), { input: 0.15, output: 0 })).toBe(3);
  });
  it('adds the price of a call, and nothing without a price', () => {
    expect(costOf(usage({}), { input: 1, output: 1, request: 0.01 })).toBe(10_000);
    expect(costOf(usage({ input: 1000 }), undefined)).toBe(0);
  });
  it('is never below zero, never a fraction, and never less for more output', () => {
    const tokens = fc.nat(1_000_000);
    fc.assert(
      fc.property(tokens, tokens, tokens, tokens, (input, cachedInput, output, reasoning) => {
        const cost = costOf(usage({ input, cachedInput, output, reasoning }), price);
        expect(Number.isSafeInteger(cost)).toBe(true);
        expect(cost).toBeGreaterThanOrEqual(0);
        expect(
          costOf(usage({ input, cachedInput, output: output + 1, reasoning }), price),
        ).toBeGreaterThanOrEqual(cost);
      }),
    );
  });
});
