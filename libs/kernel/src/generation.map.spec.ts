import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { GenerationMap } from './generation.map.js';

describe('a map of generations', () => {
  it('knows the last so many keys that were used, and at most twice as many', () => {
    const key = fc.integer({ min: 0, max: 12 }).map(String);
    const steps = fc.array(fc.record({ key, set: fc.boolean() }), { maxLength: 120 });
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 6 }), (uses, least) => {
        const map = new GenerationMap<number>(least);
        const truth = new Map<string, number>();
        uses.forEach(({ key: used, set }, at) => {
          const known = map.get(used);
          if (known !== undefined) expect(known).toBe(truth.get(used));
          // Moves the key to the end: the order of use.
          if (set || known !== undefined) {
            const value = set ? at : known!;
            if (set) map.set(used, at);
            truth.delete(used);
            truth.set(used, value);
          } else truth.delete(used);
          const held = [...map.values()];
          expect(held.length).toBeLessThanOrEqual(2 * least);
          for (const value of [...truth.values()].slice(-least)) expect(held).toContain(value);
        });
      }),
    );
  });

  it('gives each value once, those used longest ago first', () => {
    const map = new GenerationMap<string>(2);
    for (const key of ['a', 'b', 'c']) map.set(key, key);
    map.set('b', 'B');
    expect([...map.values()]).toEqual(['a', 'c', 'B']);
  });
});
