import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ChatReply, NO_USAGE, type ChatCall } from '@sluice/kernel';
import { answerOf, callOf, routingWorld, THREE_MODELS } from '../../testing/routing.world.js';
import { RoutingObserver } from '../routing.observer.js';
import { anytimeBounds } from './anytime.bound.js';
import { ThresholdEvidence } from './threshold.evidence.js';

/** Numbers of [0, 1) from a seed (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe('the anytime bound', () => {
  it('is the closed form where nothing has failed', () => {
    for (const labels of [1, 10, 1000]) {
      const { lower, upper } = anytimeBounds(0, labels, 0.05);
      expect(lower).toBe(0);
      expect(upper).toBeCloseTo(1 - (0.05 / (labels + 1)) ** (1 / labels), 9);
    }
    expect(anytimeBounds(0, 0, 0.05)).toEqual({ lower: 0, upper: 1 });
  });

  it('holds the mean between its bounds, and is the same seen from the other side', () => {
    fc.assert(
      fc.property(fc.nat({ max: 500 }), fc.nat({ max: 500 }), (hits, misses) => {
        const { lower, upper } = anytimeBounds(hits, hits + misses, 0.05);
        const mean = hits + misses === 0 ? 0.5 : hits / (hits + misses);
        expect(lower).toBeLessThanOrEqual(mean);
        expect(upper).toBeGreaterThanOrEqual(mean);
        const other = anytimeBounds(misses, hits + misses, 0.05);
        expect(other.lower).toBeCloseTo(1 - upper, 6);
      }),
    );
  });

  it('is broken at some time by at most alpha of all sequences, though looked at after every label', () => {
    const random = generator(1);
    const [runs, alpha, truth] = [100, 0.1, 0.05];
    let broken = 0;
    for (let run = 0; run < runs; run++) {
      let hits = 0;
      for (let n = 1; n <= 150; n++) {
        if (random() < truth) hits++;
        const { lower, upper } = anytimeBounds(hits, n, alpha);
        if (truth < lower || truth > upper) {
          broken++;
          break;
        }
      }
    }
    expect(broken / runs).toBeLessThanOrEqual(alpha);
  });
});

describe('the evidence for a threshold', () => {
  const EDGES = [0.1, 0.2, 0.3];
  const CALIBRATED = 0.2;
  const evidence = () => new ThresholdEvidence('e', EDGES, 0);
  /** `count` calls of one estimate, answered by the simple model and looked at. */
  const calls = (e: ThresholdEvidence, estimate: number, count: number, failing: number) => {
    for (let i = 0; i < count; i++) {
      e.seen(estimate);
      e.label(estimate, i >= failing);
    }
    e.takeChanged();
  };

  it('leaves the calibration alone while there is little', () => {
    const e = evidence();
    expect(e.state(0.05, CALIBRATED)).toMatchObject({ threshold: CALIBRATED, seen: 0 });
    calls(e, 0.05, 10, 3);
    expect(e.state(0.05, CALIBRATED)).toMatchObject({
      threshold: CALIBRATED,
      source: 'calibration',
      labels: 10,
    });
  });

  it('refutes it when more fails than is allowed, down to where the loss is surely small', () => {
    const e = evidence();
    calls(e, 0.05, 2000, 2);
    calls(e, 0.15, 1000, 400);
    const state = e.state(0.05, CALIBRATED);
    expect(state).toMatchObject({ source: 'refuted', threshold: 0.1 });
    expect(state.loss.lower).toBeGreaterThan(0.05);
  });

  it('sends nothing down when nothing can be vouched for', () => {
    const e = evidence();
    calls(e, 0.05, 500, 250);
    expect(e.state(0.05, CALIBRATED).threshold).toBe(-Infinity);
  });

  it('raises it when answers above it were looked at and are good enough', () => {
    const e = evidence();
    for (const estimate of [0.05, 0.15, 0.25]) calls(e, estimate, 2000, 4);
    expect(e.state(0.05, CALIBRATED)).toMatchObject({ source: 'vouched', threshold: 0.3 });
  });

  it('counts a judgement against an answer that had passed', () => {
    const e = evidence();
    calls(e, 0.05, 500, 0);
    for (let i = 0; i < 250; i++) e.revoke(0.05);
    e.takeChanged();
    expect(e.state(0.05, CALIBRATED).source).toBe('refuted');
  });

  it('adds up what replicas saw of the same models, each row once', () => {
    const [a, b] = [evidence(), evidence()];
    for (let i = 0; i < 2; i++) {
      calls(b, 0.05, 0, 0);
      for (let n = 0; n < 300; n++) {
        a.seen(0.05);
        a.label(0.05, n % 2 === 0);
      }
      for (const row of a.takeChanged()) b.adopt({ ...row, replica: 'a' });
    }
    expect(b.state(0.05, CALIBRATED)).toMatchObject({ seen: 600, labels: 600, source: 'refuted' });
    const other = new ThresholdEvidence('f', EDGES, 0);
    a.seen(0.05);
    for (const row of a.takeChanged()) other.adopt({ ...row, replica: 'a' });
    expect(other.state(0.05, CALIBRATED).seen).toBe(0);
  });

  it('breaks its promise at any time in at most five of a hundred installations', () => {
    const random = generator(7);
    const [installations, promise] = [100, 0.05];
    let broken = 0;
    for (let run = 0; run < installations; run++) {
      const e = evidence();
      // The calibration is wrong for most of these: failure grows with the estimate at a rate of its own.
      const slope = random() * 0.8;
      const failure = [0.05, 0.15, 0.25, 0.5].map((estimate) => slope * estimate);
      let wrong = false;
      for (let n = 1; n <= 3000 && !wrong; n++) {
        const bin = Math.floor(random() * 4);
        const estimate = [0.05, 0.15, 0.25, 0.5][bin]!;
        e.seen(estimate);
        e.label(estimate, random() >= failure[bin]!);
        if (n % 50 !== 0) continue;
        e.takeChanged();
        const { threshold, source } = e.state(promise, CALIBRATED);
        if (source === 'calibration') continue;
        const loss = failure.reduce(
          (sum, rate, i) => sum + ((EDGES[i] ?? Infinity) <= threshold ? rate / 4 : 0),
          0,
        );
        wrong = loss > promise;
      }
      if (wrong) broken++;
    }
    expect(broken).toBeLessThanOrEqual(5);
  });
});

describe('the router', () => {
  // No keyword, no hint, not long: the estimator decides.
  const EASY = 'My cat sleeps on the warm windowsill every day.';

  it('stops sending work down by estimate when the answers fail', async () => {
    const w = routingWorld(THREE_MODELS);
    const observer = new RoutingObserver(w.learning, w.metrics, w.log, w.deferred, w.feedback);
    const { uplift } = w.router.route(callOf(EASY)).features!;
    expect(w.router.route(callOf(EASY))).toMatchObject({ reason: 'estimate', grade: 'simple' });
    const answered = async (call: ChatCall, text: string) => {
      const decision = w.router.route(call);
      call.journal.attempts.push({
        model: decision.chosen,
        provider: 'sandbox',
        startedAt: 0,
        outcome: 'completed',
      });
      const reply = await observer.watch(call, decision, () =>
        Promise.resolve(
          ChatReply.message(answerOf(text), { bill: { usage: NO_USAGE, costMicroUsd: 0 } }),
        ),
      );
      reply.take();
    };
    for (let i = 0; i < 60; i++)
      await answered(callOf(EASY), "I'm sorry, but I can't help with that.");
    await w.deferred.drain(1000);
    w.learning.thresholds.evidence.takeChanged();
    const state = w.learning.thresholds.state();
    expect(state).toMatchObject({ source: 'refuted', labels: 60 });
    expect(state.threshold).toBeLessThan(uplift);
    expect(w.router.route(callOf(EASY)).grade).not.toBe('simple');
  });

  it('asks again when the models change', () => {
    const w = routingWorld(THREE_MODELS);
    w.learning.thresholds.evidence.seen(0.1);
    w.learning.thresholds.evidence.takeChanged();
    expect(w.learning.thresholds.state().seen).toBe(1);
    w.config.use(THREE_MODELS);
    expect(w.learning.thresholds.state().seen).toBe(1);
    w.config.use({ ...THREE_MODELS, models: THREE_MODELS.models!.slice(1) });
    expect(w.learning.thresholds.state().seen).toBe(0);
  });
});
