import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { seeded } from '../../testing/seeded.js';
import { confidence, logEvidence, NO_GUESS, showsLess, type Bet } from './betting-bound.js';

const one = (checked: number, wrong: number, traffic = 100): Bet => ({
  traffic,
  checked,
  wrong,
  guess: { mean: 0.005, weight: 60 },
});

/** Does it ever, in so many labels, call a stream of exactly `share` wrong answers better than `share`? */
function everDeceived(random: () => number, shares: readonly number[], share: number): boolean {
  const bets = shares.map(() => ({ ...one(0, 0, 0), checked: 0, wrong: 0, traffic: 0 }));
  for (let n = 0; n < 1000; n++) {
    const at = Math.floor(random() * shares.length);
    const bet = bets[at];
    if (bet === undefined) throw new RangeError(`no stratum ${at}`);
    bet.traffic++;
    const wrong = random() < (shares[at] ?? 0);
    // Labels come more often where there are few: the rule may look at everything so far.
    if (random() > 30 / (bet.checked + 30)) continue;
    bet.checked++;
    if (wrong) bet.wrong++;
    if (showsLess(bets, share) && logEvidence(bets, share) >= Math.log(20)) return true;
  }
  return false;
}

describe('logEvidence', () => {
  it('read after each label, deceives in fewer than one of twenty streams that are just too bad', () => {
    const random = seeded(1);
    let deceived = 0;
    for (let stream = 0; stream < 200; stream++) {
      if (everDeceived(random, [0.02], 0.02)) deceived++;
    }
    expect(deceived).toBeLessThanOrEqual(10);
  });

  it('holds for strata of different shares, checked at rates that depend on what was seen', () => {
    const random = seeded(2);
    let deceived = 0;
    for (let stream = 0; stream < 80; stream++) {
      // Equal traffic: 5 % wrong together.
      if (everDeceived(random, [0.01, 0.04, 0.1], 0.05)) deceived++;
    }
    expect(deceived).toBeLessThanOrEqual(4);
  });

  it('proves 2 % by about as many labels as any test needs', () => {
    let labels = 0;
    while (logEvidence([one(labels, 0)], 0.02) < Math.log(20)) labels++;
    // 0.98^149 is the first power below one in twenty: nobody can do with fewer.
    expect(labels).toBeGreaterThanOrEqual(149);
    expect(labels).toBeLessThan(200);
  });

  it('takes what was never checked for all wrong', () => {
    expect(showsLess([one(1000, 0), one(0, 0, 5)], 0.02)).toBe(false);
    expect(logEvidence([one(1000, 0), one(0, 0, 5)], 0.02)).toBeLessThanOrEqual(0);
    expect(logEvidence([one(1000, 0), one(0, 0, 1)], 0.02)).toBeGreaterThan(0);
  });

  it('has none without traffic or labels', () => {
    expect(logEvidence([], 0.02)).toBe(0);
    expect(logEvidence([one(0, 0)], 0.02)).toBe(0);
    expect(showsLess([], 0.02)).toBe(false);
  });

  it('is not lifted by halving the counts', () => {
    const counts = fc
      .tuple(fc.nat(500), fc.nat(500))
      .map(([a, b]) => one(Math.max(a, b), Math.min(a, b)));
    fc.assert(
      fc.property(counts, fc.double({ min: 0.01, max: 0.5, noNaN: true }), (bet, share) => {
        const half = { ...bet, checked: bet.checked / 2, wrong: bet.wrong / 2 };
        expect(logEvidence([half], share)).toBeLessThanOrEqual(
          logEvidence([bet], share) / 2 + 1e-6,
        );
      }),
    );
  });
});

describe('confidence', () => {
  it('knows nothing without labels', () => {
    expect(confidence([])).toEqual({ mean: 0, lower: 0, upper: 1 });
    expect(confidence([one(0, 0)])).toEqual({ mean: 0, lower: 0, upper: 1 });
  });

  it('narrows with checks, around the share that was wrong', () => {
    const few = confidence([{ ...one(50, 5), guess: NO_GUESS }]);
    const many = confidence([{ ...one(5000, 500), guess: NO_GUESS }]);
    expect(many.upper - many.lower).toBeLessThan((few.upper - few.lower) / 5);
    expect(many.lower).toBeLessThan(0.1);
    expect(many.upper).toBeGreaterThan(0.1);
    expect(many.mean).toBeCloseTo(0.1, 2);
  });

  it('holds its estimate, for any labels', () => {
    const bet = fc
      .record({
        traffic: fc.integer({ min: 1, max: 500 }),
        checked: fc.nat(300),
        share: fc.float({ min: 0, max: 1, noNaN: true }),
      })
      .map(({ traffic, checked, share }) => one(checked, Math.round(checked * share), traffic));
    fc.assert(
      fc.property(fc.array(bet, { minLength: 1, maxLength: 5 }), (bets) => {
        const { lower, mean, upper } = confidence(bets);
        expect(lower).toBeLessThanOrEqual(mean + 1e-9);
        expect(upper).toBeGreaterThanOrEqual(mean - 1e-9);
      }),
    );
  });
});
