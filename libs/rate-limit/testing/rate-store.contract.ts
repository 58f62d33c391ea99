import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { RateVerdict, RateWindow } from '../src/rate-window.js';
import { windows } from './windows.js';

/** A store whose time the test sets, in microseconds. */
export interface TimedStore {
  decideAt(
    subject: string,
    windows: readonly RateWindow[],
    at: number,
  ): RateVerdict | Promise<RateVerdict>;
}

const SECOND = 1_000_000;
/** Bursts, trickles and pauses, as microseconds between one request and the next. */
export const gaps = fc.oneof(
  fc.constant(0),
  fc.integer({ min: 1, max: 2 * SECOND }),
  fc.integer({ min: 10 * SECOND, max: 120 * SECOND }),
  fc.integer({ min: 600 * SECOND, max: 4000 * SECOND }),
);

/** What every store of requests must do. Each case takes a subject of its own from `subject()`. */
export function describeRateStore(
  name: string,
  store: () => TimedStore,
  options: { readonly runs: number },
): void {
  let next = 0;
  const subject = () => `t/${name}-${next++}`;

  describe(`${name} as a store of requests`, () => {
    it('never lets more than the limit through in any window, at any moment', async () => {
      const trace = fc.array(gaps, { minLength: 1, maxLength: 60 });
      const limits = fc.record({
        minute: fc.integer({ min: 1, max: 6 }),
        hour: fc.integer({ min: 1, max: 12 }),
      });
      await fc.assert(
        fc.asyncProperty(trace, limits, async (steps, limit) => {
          const who = subject();
          const passed: number[] = [];
          let at = SECOND;
          for (const step of steps) {
            at += step;
            const rules = windows(limit.minute, limit.hour);
            if ((await store().decideAt(who, rules, at)).allowed) passed.push(at);
          }
          for (const [limitOf, span] of [
            [limit.minute, 60 * SECOND],
            [limit.hour, 3600 * SECOND],
          ] as const) {
            passed.forEach((start) => {
              const inside = passed.filter((t) => t >= start && t < start + span).length;
              expect(inside).toBeLessThanOrEqual(limitOf);
            });
          }
        }),
        { numRuns: options.runs },
      );
    });

    it('refuses until the very moment it told, and not a moment longer', async () => {
      const trace = fc.array(gaps, { minLength: 1, maxLength: 30 });
      await fc.assert(
        fc.asyncProperty(trace, fc.integer({ min: 1, max: 5 }), async (steps, limit) => {
          const who = subject();
          const rules = windows(limit, 2 * limit);
          // Whole milliseconds: the answer is in milliseconds.
          let at = SECOND;
          for (const step of steps) {
            at += Math.floor(step / 1000) * 1000;
            const verdict = await store().decideAt(who, rules, at);
            if (verdict.allowed) continue;
            const retry = at + verdict.retryAfterMs * 1000;
            expect((await store().decideAt(who, rules, retry - 1000)).allowed).toBe(false);
            expect((await store().decideAt(who, rules, retry)).allowed).toBe(true);
            at = retry;
          }
        }),
        { numRuns: options.runs },
      );
    });

    it('counts a refused request in no window', async () => {
      const who = subject();
      const rules = windows(1, 3);
      const at = SECOND;
      expect((await store().decideAt(who, rules, at)).allowed).toBe(true);
      for (let i = 0; i < 10; i++) {
        const refused = await store().decideAt(who, rules, at + i);
        expect(refused.states.map((s) => s.remaining)).toEqual([0, 2]);
      }
      const later = await store().decideAt(who, rules, at + 60 * SECOND);
      expect(later.allowed).toBe(true);
      expect(later.states.map((s) => s.remaining)).toEqual([0, 1]);
    });

    it('tells when the whole limit is free again', async () => {
      const who = subject();
      const rules = windows(5, 10);
      await store().decideAt(who, rules, SECOND);
      const second = await store().decideAt(who, rules, 11 * SECOND);
      expect(second.states.map((s) => s.resetMs)).toEqual([60_000, 3_600_000]);
    });

    it('holds a limit above a thousand with entries that stand for several requests', async () => {
      const who = subject();
      const rules: RateWindow[] = [{ name: 'minute', limit: 2500, windowMs: 60_000 }];
      let passed = 0;
      for (let i = 0; i < 2600; i++) {
        const verdict = await store().decideAt(who, rules, SECOND + i * 10_000);
        if (verdict.allowed) passed++;
        else expect(verdict.retryAfterMs).toBeLessThanOrEqual(60_000);
      }
      expect(passed).toBe(2500);
      const again = await store().decideAt(who, rules, SECOND + 60 * SECOND + 20_000);
      expect(again.allowed).toBe(true);
      expect(again.states[0]?.remaining).toBe(2);
    });

    it('frees and blocks nobody when the clock is set back', async () => {
      const who = subject();
      const rules = windows(2, 10);
      const late = 7200 * SECOND;
      await store().decideAt(who, rules, late);
      await store().decideAt(who, rules, late);
      const back = late - 3600 * SECOND;
      const refused = await store().decideAt(who, rules, back);
      expect(refused.allowed).toBe(false);
      expect(refused.retryAfterMs).toBe(60_000);
      expect((await store().decideAt(who, rules, back + 60 * SECOND)).allowed).toBe(true);
      const slightly = await store().decideAt(who, rules, back + 60 * SECOND - 500_000);
      expect(slightly.allowed).toBe(true);
    });

    it('breaks nothing when a limit is lowered below what was used', async () => {
      const who = subject();
      for (let i = 0; i < 5; i++) await store().decideAt(who, windows(10, 10), SECOND * (i + 1));
      const lowered = await store().decideAt(who, windows(2, 10), 6 * SECOND);
      expect([lowered.allowed, lowered.states[0]?.remaining]).toEqual([false, 0]);
      expect(lowered.retryAfterMs).toBe(58_000);
    });
  });
}
