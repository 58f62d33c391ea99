import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ManualClock } from '@sluice/kernel';
import { LatencySample } from './latency.sample.js';
import { RetryBudget } from './retry.budget.js';

describe('RetryBudget', () => {
  it('allows a share of the traffic, besides some per second', () => {
    const clock = new ManualClock();
    const budget = new RetryBudget(clock, () => ({ ratio: 0.2, perSecond: 2 }));
    expect([budget.take(), budget.take(), budget.take()]).toEqual([true, true, false]);
    clock.advance(500);
    expect([budget.take(), budget.take()]).toEqual([true, false]);
    for (let i = 0; i < 10; i++) budget.firstTry();
    expect([budget.take(), budget.take(), budget.take()]).toEqual([true, true, false]);
  });
  it('never exceeds the ratio over any run of calls when nothing is granted per second', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 500 }), (wants) => {
        const budget = new RetryBudget(new ManualClock(), () => ({ ratio: 0.2, perSecond: 0 }));
        let tries = 0;
        let retries = 0;
        for (const retry of wants) {
          budget.firstTry();
          tries++;
          if (retry && budget.take()) retries++;
          expect(retries).toBeLessThanOrEqual(tries * 0.2 + 1e-9);
        }
      }),
    );
  });
  it('does not save up for ever', () => {
    const budget = new RetryBudget(new ManualClock(), () => ({ ratio: 0.2, perSecond: 0 }));
    for (let i = 0; i < 10_000; i++) budget.firstTry();
    let retries = 0;
    while (budget.take()) retries++;
    expect(retries).toBeLessThanOrEqual(20);
  });
});

describe('LatencySample', () => {
  it('knows nothing before the first value', () => {
    expect(new LatencySample()).toMatchObject({ ewmaMs: undefined, p95Ms: undefined });
  });
  it('follows the mean and finds the 95th percentile of the last values', () => {
    const sample = new LatencySample();
    for (let i = 1; i <= 100; i++) sample.add(i);
    expect(sample.p95Ms).toBe(95);
    expect(sample.ewmaMs).toBeGreaterThan(90);
    for (let i = 0; i < 200; i++) sample.add(5);
    expect(sample.p95Ms).toBe(5);
    expect(sample.ewmaMs).toBeCloseTo(5, 3);
  });
});
