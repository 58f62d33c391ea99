import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { seeded } from '../../testing/seeded.js';
import { CLOSED, ErrorController, type Sighting } from './error-controller.js';

const SETTINGS = { start: 0.95, target: 0.02, shadowRate: 0.01 };
const make = (changes: Partial<typeof SETTINGS> = {}): ErrorController =>
  new ErrorController({ ...SETTINGS, ...changes });

/** A candidate that neighbours speak for, unless said otherwise. */
const of = (score: number, changes: Partial<Sighting> = {}): Sighting => ({
  score,
  verbatim: false,
  alone: false,
  ...changes,
});

/** Traffic of one score, all of it checked. */
function feed(
  controller: ErrorController,
  score: number,
  checks: number,
  wrong: number,
  changes: Partial<Sighting> = {},
): void {
  for (let i = 0; i < checks; i++) {
    controller.saw(of(score, changes));
    controller.label(of(score, changes), i < wrong);
  }
}

describe('ErrorController', () => {
  it('starts at the configured threshold, on the loan of the calibration', () => {
    expect(make().threshold).toBe(0.95);
    expect(make().report()).toMatchObject({ state: 'learning', checks: 0, upper: 1 });
  });

  it('starts closed under a target that the calibration does not prove', () => {
    const strict = make({ target: 0.005 });
    expect(strict.threshold).toBe(CLOSED);
    expect(strict.report().state).toBe('closed');
    feed(strict, 0.97, 900, 0);
    feed(strict, 0.985, 900, 0);
    expect(strict.report().state).toBe('open');
  });

  it('never opens below the start without evidence, however much traffic there is', () => {
    const score = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.array(fc.tuple(score, fc.boolean()), { maxLength: 300 }), (seen) => {
        const controller = make();
        for (const [value, verbatim] of seen) controller.saw(of(value, { verbatim }));
        expect(controller.threshold).toBe(0.95);
      }),
    );
  });

  it('opens where checks prove that hits are right', () => {
    const controller = make();
    for (const score of [0.955, 0.97, 0.985, 0.94, 0.92, 0.89, 0.86])
      feed(controller, score, 200, 0);
    expect(controller.threshold).toBeCloseTo(0.84);
    expect(controller.report().state).toBe('open');
    expect(controller.report().upper).toBeLessThanOrEqual(0.02);
  });

  it('does not let many good scores vouch for a bad one below them', () => {
    const controller = make();
    feed(controller, 0.96, 2000, 0);
    feed(controller, 0.94, 20, 10);
    expect(controller.threshold).toBe(0.95);
    expect(controller.report().state).toBe('open');
  });

  it('switches off when nothing above the start is right often enough, as on a long tail', () => {
    const controller = make();
    for (const score of [0.955, 0.97, 0.985]) feed(controller, score, 60, 12);
    expect(controller.threshold).toBe(CLOSED);
    expect(controller.report().state).toBe('closed');
  });

  it('calls the loan on the third wrong answer, and then opens by proof alone', () => {
    const controller = make();
    feed(controller, 0.97, 10, 2);
    expect(controller.threshold).toBe(0.95);
    feed(controller, 0.97, 1, 1);
    expect(controller.threshold).toBe(CLOSED);
    feed(controller, 0.97, 200, 0);
    expect(controller.threshold).toBe(CLOSED);
    feed(controller, 0.97, 400, 0);
    expect(controller.threshold).toBe(0.95);
  });

  it('asks more of a candidate alone while on loan, and the same of all once there is proof', () => {
    const controller = make();
    const alone = { alone: true };
    expect(controller.thresholdFor(alone)).toBe(0.965);
    expect(controller.thresholdFor({ alone: false })).toBe(0.95);
    feed(controller, 0.955, 200, 0, alone);
    feed(controller, 0.97, 200, 0, alone);
    feed(controller, 0.985, 200, 0, alone);
    expect(controller.report().state).toBe('open');
    expect(controller.thresholdFor(alone)).toBe(controller.threshold);
  });

  it('lets the operator vouch for a lower start than the calibration has', () => {
    expect(make({ start: 0.8 }).thresholdFor({ alone: true })).toBe(0.8);
    expect(make({ start: 0.98 }).thresholdFor({ alone: true })).toBe(0.98);
    for (const target of [0.05, 1]) {
      expect(make({ target }).thresholdFor({ alone: true })).toBe(0.95);
    }
  });

  it('calls the loan for what was served on it, not for candidates that were held back', () => {
    const controller = make();
    feed(controller, 0.955, 20, 10, { alone: true });
    expect(controller.report().state).toBe('learning');
    feed(controller, 0.97, 3, 3, { alone: true });
    expect(controller.threshold).toBe(CLOSED);
  });

  it('remembers over a restart what was lent', () => {
    const before = make();
    feed(before, 0.97, 2, 2);
    const after = make();
    after.restore(JSON.parse(JSON.stringify(before.save())));
    feed(after, 0.97, 1, 1);
    expect(after.threshold).toBe(CLOSED);
  });

  it('opens above the start where only the best scores keep the target', () => {
    const controller = make();
    feed(controller, 0.955, 300, 30);
    feed(controller, 0.985, 600, 0);
    expect(controller.threshold).toBeCloseTo(0.965);
  });

  it('keeps the upper bound of what it proves under the target, for any labels', () => {
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
        const { state, threshold, mean } = controller.report();
        if (state === 'open') expect(mean).toBeLessThanOrEqual(target * 1.5);
        if (state === 'learning') expect(threshold).toBe(0.95);
      }),
      { numRuns: 50 },
    );
  });

  it.each([0.02, 0.05, 0.1])(
    'after the loan, opens on traffic just worse than %d in fewer than one of twenty streams',
    (target) => {
      const random = seeded(11);
      let opened = 0;
      const streams = 40;
      for (let stream = 0; stream < streams; stream++) {
        const controller = make({ target });
        feed(controller, 0.96, 3, 3);
        for (let n = 0; n < 600; n++) {
          const score = 0.5 + random() * 0.489;
          controller.saw(of(score));
          const hit = score >= controller.threshold;
          if (hit) opened++;
          if (hit) break;
          controller.label(of(score), random() < target * 1.05);
        }
      }
      expect(opened).toBeLessThanOrEqual(streams / 20);
    },
  );

  it('asks for no evidence when no bound is asked for', () => {
    const controller = make({ target: 1, start: 0.3 });
    feed(controller, 0.96, 50, 50);
    expect(controller.threshold).toBe(0.3);
    expect(controller.shadowChance(false)).toBe(0.01);
  });

  it('counts verbatim repeats apart: they must not vouch for others', () => {
    const controller = make();
    for (let i = 0; i < 500; i++) {
      controller.saw(of(1, { verbatim: true }));
      controller.label(of(1, { verbatim: true }), false);
    }
    expect(controller.threshold).toBe(0.95);
    expect(controller.report().checks).toBe(500);
  });

  it('asks anew often while young, and as seldom as configured in the end', () => {
    const controller = make();
    expect(controller.shadowChance(false)).toBe(0.5);
    feed(controller, 0.96, 399, 0);
    expect(controller.shadowChance(false)).toBe(0.25);
    for (const score of [0.96, 0.97, 0.985]) feed(controller, score, 3600, 0);
    expect(controller.shadowChance(false)).toBeCloseTo(0.01);
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
    for (const score of [0.955, 0.97, 0.985]) feed(before, score, 200, 0);
    expect(before.report().state).toBe('open');
    before.label(of(1, { verbatim: true }), true);
    const after = make();
    after.restore(JSON.parse(JSON.stringify(before.save())));
    expect(after.report()).toEqual(before.report());
    for (const rubbish of [undefined, null, 7, {}, { version: 2, bins: [] }, { version: 1 }]) {
      after.restore(rubbish);
    }
    expect(after.report()).toEqual(before.report());
  });

  it('takes new settings at once', () => {
    const controller = make();
    expect(controller.threshold).toBe(0.95);
    controller.configure({ ...SETTINGS, start: 0.9 });
    expect(controller.threshold).toBe(0.9);
    controller.configure({ ...SETTINGS, target: 0.001 });
    expect(controller.threshold).toBe(CLOSED);
    controller.configure(SETTINGS);
    expect(controller.threshold).toBe(CLOSED);
  });

  it('ignores scores that no threshold admits', () => {
    const controller = make();
    controller.saw(of(0.3));
    controller.label(of(NaN), true);
    expect(controller.save()).toEqual(make().save());
  });
});
