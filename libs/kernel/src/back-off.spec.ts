import { describe, expect, it } from '@jest/globals';
import { BackOff } from './back-off.js';

describe('back-off hints', () => {
  const bounds = { min: 1000, max: 30_000 };

  it('double while refusals go on, stay within bounds, and start anew after a quiet time', () => {
    const backOff = new BackOff(() => 0.5);
    const hints: number[] = [];
    let now = 0;
    for (let i = 0; i < 8; i++) {
      const hint = backOff.next(bounds, now);
      hints.push(hint);
      now += hint;
    }
    expect(hints[0]).toBe(1000);
    expect(hints).toEqual([...hints].sort((a, b) => a - b));
    expect(hints.at(-1)).toBe(30_000);
    expect(backOff.next(bounds, now + 100_000)).toBe(1000);
  });

  it('spread calls that are refused together', () => {
    const backOff = new BackOff();
    const hints = Array.from({ length: 100 }, () => backOff.next({ min: 1000, max: 8000 }, 10_000));
    expect(new Set(hints).size).toBeGreaterThan(20);
    for (const hint of hints) {
      expect(hint).toBeGreaterThanOrEqual(1000);
      expect(hint).toBeLessThanOrEqual(1250);
    }
  });
});
