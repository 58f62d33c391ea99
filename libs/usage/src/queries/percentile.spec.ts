import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { HISTOGRAM_BOUNDS_US } from '../persistence/rollups.js';
import { percentileUs } from './percentile.js';

function histogram(durations: readonly number[]): number[] {
  const counts = Array.from({ length: HISTOGRAM_BOUNDS_US.length + 1 }, () => 0);
  for (const duration of durations) {
    const bucket = HISTOGRAM_BOUNDS_US.filter((bound) => bound <= duration).length;
    counts[bucket] = (counts[bucket] ?? 0) + 1;
  }
  return counts;
}

describe('a percentile from a histogram', () => {
  it('lies in the bucket of the true one', () => {
    const durations = fc.array(fc.integer({ min: 1, max: 70_000_000 }), { minLength: 1 });
    fc.assert(
      fc.property(durations, fc.double({ min: 0.01, max: 1, noNaN: true }), (values, q) => {
        const sorted = values.toSorted((a, b) => a - b);
        const truth = sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? 0;
        const bucket = HISTOGRAM_BOUNDS_US.filter((bound) => bound <= truth).length;
        const answer = percentileUs(histogram(values), q) ?? -1;
        expect(answer).toBeGreaterThanOrEqual(HISTOGRAM_BOUNDS_US[bucket - 1] ?? 0);
        expect(answer).toBeLessThanOrEqual(HISTOGRAM_BOUNDS_US[bucket] ?? Infinity);
      }),
    );
  });

  it('is unknown without calls', () => {
    expect(percentileUs(histogram([]), 0.5)).toBeUndefined();
  });

  it('answers with the last bound for calls that are slower than all bounds', () => {
    expect(percentileUs(histogram([10 ** 9]), 0.5)).toBe(HISTOGRAM_BOUNDS_US.at(-1));
  });
});
