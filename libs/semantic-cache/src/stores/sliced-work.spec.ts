import { describe, expect, it } from '@jest/globals';
import { SlicedWork } from './sliced-work.js';

function counting(slice: number): { done: number[]; work: SlicedWork<number, string> } {
  const done: number[] = [];
  const work = new SlicedWork<number, string>(slice, (key) => done.push(key));
  for (let key = 0; key < 10; key++) work.add(key, 'value');
  return { done, work };
}

describe('SlicedWork', () => {
  it('does a few at once and the rest in later turns, in order', async () => {
    const { done, work } = counting(4);
    const all = work.run();
    expect(done).toEqual([0, 1, 2, 3]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(done.length).toBeLessThan(10);
    await all;
    expect(done).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('does what is added meanwhile, too, and not what was dropped', async () => {
    const { done, work } = counting(4);
    const all = work.run();
    work.drop(5);
    work.add(10, 'late');
    expect(work.run()).toBe(all);
    await all;
    expect(done).toEqual([0, 1, 2, 3, 4, 6, 7, 8, 9, 10]);
  });

  it('ends when all is cleared', async () => {
    const { done, work } = counting(4);
    const all = work.run();
    work.clear();
    await all;
    expect(done).toHaveLength(4);
  });
});
