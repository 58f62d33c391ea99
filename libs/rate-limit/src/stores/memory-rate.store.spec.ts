import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '@sluice/kernel';
import { describeRateStore } from '../../testing/rate-store.contract.js';
import { windows } from '../../testing/windows.js';
import { MemoryRateStore } from './memory-rate.store.js';

const store = new MemoryRateStore(new ManualClock());
describeRateStore('memory', () => store, { runs: 200 });

describe('the store in process', () => {
  it('keeps a bounded number of subjects however many addresses come', () => {
    const clock = new ManualClock();
    const bounded = new MemoryRateStore(clock, { maxSubjects: 1000 });
    for (let i = 0; i < 1_000_000; i++) bounded.decide(`default/ip:${i}`, windows(10, 10));
    expect(bounded.size).toBeLessThanOrEqual(1000);
  });

  it('does not let a flood of addresses push the log of a known caller out', () => {
    const bounded = new MemoryRateStore(new ManualClock(), { maxSubjects: 100 });
    expect(bounded.decide('default/ann', windows(1, 1)).allowed).toBe(true);
    for (let i = 0; i < 1000; i++) bounded.decide(`default/ip:${i}`, windows(10, 10));
    expect(bounded.decide('default/ann', windows(1, 1)).allowed).toBe(false);
  });

  it('forgets subjects whose windows have run out', () => {
    const clock = new ManualClock();
    const idle = new MemoryRateStore(clock);
    for (let i = 0; i < 1000; i++) idle.decide(`default/ip:${i}`, windows(10, 10));
    clock.advance(3_600_001);
    for (let i = 0; i < 500; i++) idle.decide(`default/ip:new${i}`, windows(10, 10));
    expect(idle.size).toBe(500);
  });
});
