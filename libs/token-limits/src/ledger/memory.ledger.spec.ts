import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '@sluice/kernel';
import { describeBankedLedger, describeSpendLedger } from '../../testing/spend-ledger.contract.js';
import { MemoryLedger } from './memory.ledger.js';

const make = (banked: boolean) => () => {
  const clock = new ManualClock();
  return { ledger: new MemoryLedger(clock, banked), clock };
};
describeSpendLedger('memory', make(false), { runs: 300 });

describe('the ledger in process', () => {
  describeBankedLedger('memory', make(true));

  it('forgets what was settled long ago', () => {
    const { ledger, clock } = make(false)();
    const shares = [{ counter: 'system|tokens|2026-01-01', amount: 1, limit: 5 }];
    ledger.reserve('x', shares, 1000);
    ledger.settle('x', shares, []);
    clock.advance(20_000);
    ledger.sweep();
    expect(ledger.reserve('x', shares, 1000)).toEqual({ kind: 'known', state: 'settled' });
    clock.advance(20_000);
    ledger.sweep();
    expect(ledger.reserve('x', shares, 1000).kind).toBe('held');
  });

  it('forgets only counters of which the bank knows all', () => {
    const { ledger } = make(true)();
    const of = (counter: string) => [{ counter, amount: 5, limit: 100 }];
    for (const counter of ['spent', 'held', 'ahead']) {
      ledger.grant([{ counter, amount: counter === 'ahead' ? 9 : 5, allocated: 9 }]);
      ledger.reserve(counter, of(counter), 1000);
      if (counter !== 'held') ledger.settle(counter, of(counter), []);
    }
    expect(ledger.idle(1)).toEqual(['spent']);
    expect(ledger.idle(10)).toEqual(['spent', 'ahead']);
    ledger.forget(['spent', 'held', 'ahead', 'unknown']);
    expect(ledger.read(['spent', 'held', 'ahead']).map((s) => s !== undefined)).toEqual([
      false,
      true,
      true,
    ]);
    expect(ledger.count()).toBe(2);
  });
});
