import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '@sluice/kernel';
import fc from 'fast-check';
import { answer } from '../../testing/cache-calls.js';
import type { CachedAnswer } from './cached-answer.js';
import { MemoryTier, type MemoryTierLimits } from './memory-tier.js';

const ROOMY: MemoryTierLimits = { maxEntries: 100, maxBytes: 10_000_000, ttl: 60_000 };

function tier(limits: Partial<MemoryTierLimits> = {}): {
  clock: ManualClock;
  memory: MemoryTier;
  held: (life?: number) => CachedAnswer;
} {
  const clock = new ManualClock();
  const memory = new MemoryTier({ ...ROOMY, ...limits }, clock);
  const held = (life = 3_600_000): CachedAnswer => ({
    message: answer('x'),
    costMicroUsd: 1,
    storedAt: clock.now(),
    expiresAt: clock.now() + life,
  });
  return { clock, memory, held };
}

describe('MemoryTier', () => {
  it('pushes out the least recently used entry first, and counts it', () => {
    const { memory, held } = tier({ maxEntries: 2 });
    memory.set('a', held(), 10);
    memory.set('b', held(), 10);
    memory.get('a');
    memory.set('c', held(), 10);
    expect(memory.get('b')).toBeUndefined();
    expect(memory.get('a')).toBeDefined();
    expect([memory.entries, memory.evictions]).toEqual([2, 1]);
  });

  it('never holds more entries or bytes than its limits', () => {
    const key = fc.integer({ min: 0, max: 30 }).map(String);
    const writes = fc.array(fc.tuple(key, fc.nat(5000)), { maxLength: 80 });
    fc.assert(
      fc.property(writes, fc.integer({ min: 1, max: 10 }), (all, maxEntries) => {
        const { memory, held } = tier({ maxEntries, maxBytes: 40_000 });
        for (const [name, length] of all) {
          memory.set(name, held(), length);
          expect(memory.entries).toBeLessThanOrEqual(maxEntries);
          expect(memory.bytes).toBeLessThanOrEqual(40_000);
        }
      }),
    );
  });

  it('does not let one answer push out more than an eighth of the others', () => {
    const { memory, held } = tier({ maxBytes: 80_000 });
    memory.set('small', held(), 10);
    memory.set('huge', held(), 10_000);
    expect(memory.get('huge')).toBeUndefined();
    expect(memory.get('small')).toBeDefined();
  });

  it("forgets an answer after its own life or the tier's, whichever ends first", () => {
    const { clock, memory, held } = tier({ ttl: 1000 });
    memory.set('short', held(500), 10);
    memory.set('long', held(), 10);
    clock.advance(500);
    expect(memory.get('short')).toBeUndefined();
    expect(memory.get('long')).toBeDefined();
    clock.advance(500);
    expect(memory.get('long')).toBeUndefined();
    expect(memory.entries).toBe(0);
  });

  it('sweeps what has expired and tells how much', () => {
    const { clock, memory, held } = tier();
    memory.set('a', held(10), 10);
    memory.set('b', held(), 10);
    clock.advance(10);
    expect(memory.sweep()).toBe(1);
    expect(memory.entries).toBe(1);
  });

  it('clears by pattern, all without one, and deletes one', () => {
    const { memory, held } = tier();
    for (const key of ['a:1', 'a:2', 'b:1', 'c:1']) memory.set(key, held(), 10);
    expect(memory.clear(/^a:/u)).toBe(2);
    memory.delete('c:1');
    expect(memory.get('c:1')).toBeUndefined();
    expect(memory.clear(undefined)).toBe(1);
  });

  it('keeps the most recently used when it shrinks, and their remaining life', () => {
    const { clock, memory, held } = tier();
    for (const key of ['a', 'b', 'c']) memory.set(key, held(1000), 10);
    memory.get('a');
    memory.resize({ ...ROOMY, maxEntries: 2 });
    expect(['a', 'b', 'c'].filter((key) => memory.get(key) !== undefined)).toEqual(['a', 'c']);
    clock.advance(1000);
    expect(memory.sweep()).toBe(2);
    expect(memory.limits.maxEntries).toBe(2);
  });

  it('stays as it is when the limits stay', () => {
    const { memory, held } = tier();
    memory.set('a', held(), 10);
    memory.resize({ ...ROOMY });
    expect(memory.get('a')).toBeDefined();
  });
});
