import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '@sluice/kernel';
import { FreshCache } from './fresh.cache.js';

function setUp() {
  const clock = new ManualClock();
  const cache = new FreshCache(clock, { freshMs: 5, staleMs: 60, maxEntries: 2 });
  let asked = 0;
  const ask = (key = 'k') => cache.get(key, () => Promise.resolve((asked += 1)));
  return { clock, cache, ask, asked: () => asked };
}
const settle = () => new Promise(setImmediate);

describe('a fresh cache', () => {
  it('asks once for many who want the same at once', async () => {
    const { ask } = setUp();
    expect(await Promise.all([ask(), ask(), ask()])).toEqual([1, 1, 1]);
  });

  it('gives a stale answer at once and fetches the next behind it', async () => {
    const { clock, ask, asked } = setUp();
    await ask();
    clock.advance(6);
    expect(await ask()).toBe(1);
    await settle();
    expect(asked()).toBe(2);
    expect(await ask()).toBe(2);
    expect(asked()).toBe(2);
  });

  it('waits for a new answer when the old one is too old', async () => {
    const { clock, ask } = setUp();
    await ask();
    clock.advance(61);
    expect(await ask()).toBe(2);
  });

  it('does not keep a failure', async () => {
    const { cache } = setUp();
    await expect(cache.get('k', () => Promise.reject(new Error('down')))).rejects.toThrow('down');
    expect(await cache.get('k', () => Promise.resolve('up'))).toBe('up');
  });

  it('keeps the old answer when a refresh fails, and tries again', async () => {
    const { clock, cache, ask } = setUp();
    await ask();
    clock.advance(6);
    expect(await cache.get('k', () => Promise.reject(new Error('down')))).toBe(1);
    await settle();
    expect(await ask()).toBe(1);
    await settle();
    expect(await ask()).toBe(2);
  });

  it('remembers no more than its bound', async () => {
    const { ask, asked } = setUp();
    for (const key of ['a', 'b', 'c', 'a']) await ask(key);
    expect(asked()).toBe(4);
  });
});
