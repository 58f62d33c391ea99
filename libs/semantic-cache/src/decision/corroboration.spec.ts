import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { AUDIBLE, corroborate, type Agreement } from './corroboration.js';

/** Neighbours as pairs of score and answer; equal answers agree. `?` cannot be compared. */
const among = (neighbours: readonly (readonly [number, string])[]) =>
  corroborate(
    neighbours.map(([score]) => score),
    (one, other): Agreement => {
      const [a, b] = [neighbours[one]?.[1], neighbours[other]?.[1]];
      return a === '?' || b === '?' ? 'unknown' : a === b ? 'same' : 'different';
    },
  );

describe('corroborate', () => {
  it('leaves a neighbour that is alone its own score', () => {
    expect(among([[0.93, 'blue']])).toEqual({ at: 0, score: 0.93, alone: true });
  });

  it('leaves it its score, too, where answers cannot be compared', () => {
    expect(
      among([
        [0.93, '?'],
        [0.9, 'blue'],
        [0.9, '?'],
      ]),
    ).toEqual({ at: 0, score: 0.93, alone: true });
  });

  it('is surer the more neighbours answer the same', () => {
    const two = among([
      [0.9, 'blue'],
      [0.9, 'blue'],
    ]);
    const four = among([
      [0.9, 'blue'],
      [0.9, 'blue'],
      [0.9, 'blue'],
      [0.9, 'blue'],
    ]);
    expect(four.score).toBeGreaterThan(two.score);
    expect(four.score).toBeGreaterThan(0.95);
  });

  it('doubts a near copy at the border of another answer', () => {
    const { score } = among([
      [0.97, 'blue'],
      [0.92, 'red'],
    ]);
    expect(score).toBeLessThan(0.7);
  });

  it('does not hear what is far away', () => {
    const { score } = among([
      [0.97, 'blue'],
      [AUDIBLE, 'red'],
    ]);
    expect(score).toBeCloseTo(0.97, 9);
  });

  it('serves the answer that most speak for, by its nearest question', () => {
    expect(
      among([
        [0.8, 'red'],
        [0.78, 'blue'],
        [0.79, 'blue'],
        [0.7, 'blue'],
      ]).at,
    ).toBe(2);
  });

  it('never equals a verbatim repeat, and does not depend on the order', () => {
    const neighbour = fc.tuple(
      fc.double({ min: AUDIBLE, max: 0.985, noNaN: true }),
      fc.constantFrom('red', 'blue', 'green'),
    );
    fc.assert(
      fc.property(
        fc.uniqueArray(neighbour, { minLength: 1, maxLength: 8, selector: ([s]) => s }),
        (all) => {
          const { at, score } = among(all);
          expect(score).toBeLessThan(0.99);
          const back = among(all.toReversed());
          expect(back.score).toBeCloseTo(score, 9);
          expect(all.toReversed()[back.at]).toEqual(all[at]);
        },
      ),
    );
  });
});
