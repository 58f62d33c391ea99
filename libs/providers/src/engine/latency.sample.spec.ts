import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { LatencySample } from './latency.sample.js';

describe('LatencySample', () => {
  it('says nothing before the first value', () => {
    const sample = new LatencySample();
    expect([sample.ewmaMs, sample.p95Ms]).toEqual([undefined, undefined]);
  });

  it('has the 95th percentile of the last 128 values after each one, equal values among them', () => {
    const value = fc.oneof(
      fc.integer({ min: 0, max: 9 }),
      fc.double({ min: 0, max: 1e6, noNaN: true }),
    );
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 400 }), (values) => {
        const sample = new LatencySample();
        values.forEach((ms, at) => {
          sample.add(ms);
          const last = values.slice(0, at + 1).slice(-128);
          const sorted = last.sort((a, b) => a - b);
          expect(sample.p95Ms).toBe(sorted[Math.ceil(sorted.length * 0.95) - 1]);
        });
      }),
      { numRuns: 30 },
    );
  });

  it('has a mean that follows the newest values', () => {
    const sample = new LatencySample();
    sample.add(100);
    expect(sample.ewmaMs).toBe(100);
    sample.add(200);
    expect(sample.ewmaMs).toBe(120);
  });
});
