import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { stratifiedBounds } from './beta-bound.js';
import { CLOSED, ErrorController } from './error-controller.js';

const SETTINGS = { start: 0.95, target: 0.02, shadowRate: 0.01 };
const make = (changes: Partial<typeof SETTINGS> = {}): ErrorController =>
  new ErrorController({ ...SETTINGS, ...changes });

/** Traffic of one score, all of it checked. */
function feed(controller: ErrorController, score: number, checks: number, wrong: number): void {
  for (let i = 0; i < checks; i++) {
    controller.saw(score, false);
    controller.label(score, false, i < wrong);
  }
}

describe('ErrorController', () => {
  it('stands at the configured threshold while there is no evidence', () => {
    expect(make().threshold).toBe(0.95);
    expect(make().report()).toMatchObject({ state: 'learning', checks: 0 });
  });

  it('never opens below the start without evidence, however much traffic there is', () => {
    const score = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.array(fc.tuple(score, fc.boolean()), { maxLength: 300 }), (seen) => {
        const controller = make();
        for (const [value, verbatim] of seen) controller.saw(value, verbatim);
        expect(controller.threshold).toBe(0.95);
      }),
    );
  });

  it('opens where checks prove that hits are right', () => {
    const controller = make();
    for (const score of [0.81, 0.86, 0.91, 0.96]) feed(controller, score, 200, 0);
    expect(controller.threshold).toBeCloseTo(0.8);
    expect(controller.report().state).toBe('open');
    expect(controller.report().upper).toBeLessThanOrEqual(0.02);
  });

  it('does not let many good scores vouch for a bad one below them', () => {
    const controller = make();
    feed(controller, 0.96, 2000, 0);
    feed(controller, 0.81, 20, 10);
    expect(controller.threshold).toBeGreaterThan(0.825);
    expect(controller.threshold).toBeLessThanOrEqual(0.95);
  });

  it('switches off when nothing above the start is right often enough, as on a long tail', () => {
    const controller = make();
    for (const score of [0.86, 0.91, 0.96]) feed(controller, score, 60, 12);
    expect(controller.threshold).toBe(CLOSED);
    expect(controller.report().state).toBe('closed');
  });

  it('closes on the second wrong answer already, before there is evidence for a bound', () => {
    const controller = make();
    feed(controller, 0.97, 5, 1);
    expect(controller.threshold).toBe(0.95);
    feed(controller, 0.97, 1, 1);
    expect(controller.threshold).toBe(CLOSED);
  });

  it('keeps the upper bound of what it opens by evidence under the target, for any labels', () => {
    const labels = fc.array(
      fc.record({
        score: fc.double({ min: 0.5, max: 0.985, noNaN: true }),
        checks: fc.nat(400),
        wrongShare: fc.constantFrom(0, 0, 0, 0.01, 0.05, 0.3),
      }),
      { maxLength: 20 },
    );
    fc.assert(
      fc.property(labels, fc.constantFrom(0.02, 0.05, 0.1), (all, target) => {
        const controller = make({ target });
        for (const { score, checks, wrongShare } of all) {
          feed(controller, score, checks, Math.round(checks * wrongShare));
        }
        const { state, threshold, upper, checks } = controller.report();
        if (state === 'open') {
          expect(upper).toBeLessThanOrEqual(target);
          expect(checks).toBeGreaterThanOrEqual(30);
        }
        if (state === 'learning') expect(threshold).toBe(0.95);
      }),
    );
  });

  it('counts verbatim repeats apart: they must not vouch for others', () => {
    const controller = make();
    for (let i = 0; i < 500; i++) {
      controller.saw(1, true);
      controller.label(1, true, false);
    }
    expect(controller.threshold).toBe(0.95);
    expect(controller.report().checks).toBe(500);
  });

  it('asks anew often while young, and as seldom as configured in the end', () => {
    const controller = make();
    expect(controller.shadowChance(false)).toBe(0.5);
    feed(controller, 0.96, 3000, 0);
    expect(controller.shadowChance(false)).toBe(0.01);
    expect(controller.shadowChance(true)).toBe(0.01);
    expect(make({ shadowRate: 0 }).shadowChance(false)).toBe(0);
  });

  it('forgets slowly, so that a change of traffic shows', () => {
    const controller = make();
    feed(controller, 0.96, 4001, 0);
    expect(controller.save().bins.reduce((sum, bin) => sum + bin.checked, 0)).toBeLessThan(2100);
    feed(controller, 0.96, 1500, 300);
    expect(controller.threshold).toBe(CLOSED);
  });

  it('goes on after a restart where it stopped, and ignores rubbish', () => {
    const before = make();
    for (const score of [0.91, 0.96]) feed(before, score, 200, 0);
    before.label(1, true, true);
    const after = make();
    after.restore(JSON.parse(JSON.stringify(before.save())));
    expect(after.report()).toEqual(before.report());
    for (const rubbish of [undefined, null, 7, {}, { version: 1, bins: [] }, { version: 2 }]) {
      after.restore(rubbish);
    }
    expect(after.report()).toEqual(before.report());
  });

  it('takes new settings at once', () => {
    const controller = make();
    expect(controller.threshold).toBe(0.95);
    controller.configure({ ...SETTINGS, start: 0.9 });
    expect(controller.threshold).toBe(0.9);
  });

  it('ignores scores that no threshold admits', () => {
    const controller = make();
    controller.saw(0.3, false);
    controller.label(NaN, false, true);
    expect(controller.save()).toEqual(make().save());
  });
});

describe('stratifiedBounds', () => {
  it('knows nothing without traffic', () => {
    expect(stratifiedBounds([])).toEqual({ mean: 0, lower: 0, upper: 1 });
  });

  it('narrows with checks, around the share that was wrong', () => {
    const few = stratifiedBounds([{ traffic: 100, checked: 50, wrong: 5 }]);
    const many = stratifiedBounds([{ traffic: 100, checked: 5000, wrong: 500 }]);
    expect(many.upper - many.lower).toBeLessThan((few.upper - few.lower) / 5);
    expect(many.mean).toBeCloseTo(0.1, 2);
  });

  it('weighs strata by traffic, and one never checked as half wrong', () => {
    const { mean } = stratifiedBounds([
      { traffic: 90, checked: 10_000, wrong: 0 },
      { traffic: 10, checked: 0, wrong: 0 },
    ]);
    expect(mean).toBeCloseTo(0.05, 2);
  });
});
