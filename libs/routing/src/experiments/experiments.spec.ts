import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { SluiceConfigInput } from '@sluice/config';
import type { ChatCall } from '@sluice/kernel';
import { callerNamed, callOf, routingWorld, THREE_MODELS } from '../../testing/routing.world.js';
import { ShadowRunner } from '../ports/shadow-runner.port.js';
import { compareArms, type ArmDelta } from './arm.totals.js';
import { ExperimentLedger } from './experiment.ledger.js';
import { ExperimentStore, MemoryExperimentStore } from './experiment.store.js';
import { ShadowTraffic } from './shadow.traffic.js';

const experiment = (rest = {}): SluiceConfigInput => ({
  ...THREE_MODELS,
  experiments: [{ id: 'e', split: { routed: 0.5, 'model:large': 0.5 }, ...rest }],
});
const armFor = (world: ReturnType<typeof routingWorld>, init: Parameters<typeof callOf>[1]) =>
  world.splitter.assignments(callOf('hi', init))[0]?.arm;

describe('splits', () => {
  it('keep a caller in one arm and divide callers by the shares', () => {
    const world = routingWorld(experiment());
    const arms = Array.from({ length: 2000 }, (_, i) =>
      armFor(world, { caller: callerNamed(`u${i}`) }),
    );
    expect(arms.filter((arm) => arm === 'routed').length / arms.length).toBeCloseTo(0.5, 1);
    expect(armFor(world, { caller: callerNamed('u7') })).toBe(arms[7]);
  });

  it('stick by session or by request when told to', () => {
    const bySession = routingWorld(experiment({ stickyBy: 'session' }));
    const sessions = Array.from({ length: 50 }, (_, i) => armFor(bySession, { session: `s${i}` }));
    expect(new Set(sessions).size).toBe(2);
    expect(armFor(bySession, { session: 's3' })).toBe(sessions[3]);
    const byRequest = routingWorld(experiment({ stickyBy: 'request' }));
    expect(new Set(Array.from({ length: 50 }, () => armFor(byRequest, {}))).size).toBe(2);
  });

  it('send the arm to its model and note the exposure', () => {
    const world = routingWorld(experiment({ split: { 'model:large': 1 } }));
    const call = callOf('What is TypeScript?');
    const decision = world.router.route(call);
    expect(decision).toMatchObject({
      chosen: 'large',
      reason: 'experiment',
      experiment: { id: 'e', arm: 'model:large' },
    });
    expect(decision.attempts.map((t) => t.model)).toEqual([
      'large',
      'large',
      'small',
      'small',
      'medium',
    ]);
    expect(call.journal.routing?.experiment).toEqual({ id: 'e', arm: 'model:large' });
  });

  it('enrol only calls that every arm could serve', () => {
    const world = routingWorld(experiment({ split: { 'model:small': 1 } }));
    expect(world.router.route(callOf('Review the authentication flow')).experiment).toBeUndefined();
    expect(world.router.route(callOf('Build a web shop')).experiment).toBeDefined();
    const image = callOf({
      messages: [{ role: 'user', parts: [{ type: 'image', url: 'https://a.example/i.png' }] }],
    });
    expect(world.router.route(image).experiment).toBeUndefined();
    expect(
      world.router.route(callOf(`What is ${'word '.repeat(120_000)}`)).experiment,
    ).toBeUndefined();
    expect(world.router.route(callOf('hi', { model: 'medium' })).experiment).toBeUndefined();
  });
});

describe('reports', () => {
  it('give means, the difference and its confidence interval', async () => {
    const { experiments } = routingWorld(experiment());
    for (let i = 0; i < 100; i++) {
      experiments.record('e', 'routed', { cost_usd: 1 + (i % 2), success: 1 });
      experiments.record('e', 'model:large', {
        cost_usd: 5 + (i % 2),
        success: 1,
        feedback: Number.NaN,
      });
    }
    const report = await experiments.report('e');
    const large = report?.arms.find((a) => a.arm === 'model:large');
    expect(large?.metrics.cost_usd).toEqual({ calls: 100, mean: 5.5 });
    expect(large?.metrics.feedback).toBeUndefined();
    const cost = large?.differences?.cost_usd;
    expect(cost?.difference).toBeCloseTo(4);
    expect(cost?.interval?.[0]).toBeCloseTo(4 - 0.139, 2);
    expect(cost?.interval?.[1]).toBeCloseTo(4 + 0.139, 2);
    expect(report?.arms[0]?.differences).toBeUndefined();
    expect(await experiments.report('unknown')).toBeUndefined();
  });

  it('cover the true difference about as often as they promise', () => {
    const random = (() => {
      let state = 7;
      return () => (state = (state * 48271) % 2147483647) / 2147483647;
    })();
    const sample = (arm: string, shift: number): ArmDelta => {
      const values = Array.from({ length: 60 }, () => random() + random() + shift);
      return {
        experiment: 'e',
        arm,
        metric: 'latency_ms',
        n: values.length,
        sum: values.reduce((a, b) => a + b, 0),
        squares: values.reduce((a, b) => a + b * b, 0),
      };
    };
    let covered = 0;
    for (let i = 0; i < 400; i++) {
      const [, b] = compareArms([sample('routed', 0), sample('b', 1)], ['routed', 'b']);
      const [low, high] = b!.differences!.latency_ms!.interval!;
      if (low <= 1 && high >= 1) covered++;
    }
    expect(covered / 400).toBeGreaterThan(0.92);
  });

  it('add up the same in whatever pieces they come', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: 1, maxLength: 50 }),
        fc.nat(49),
        async (values, cut) => {
          const store = new MemoryExperimentStore();
          const delta = (part: number[]): ArmDelta => ({
            experiment: 'e',
            arm: 'a',
            metric: 'cost_usd',
            n: part.length,
            sum: part.reduce((a, b) => a + b, 0),
            squares: part.reduce((a, b) => a + b * b, 0),
          });
          await store.add([delta(values.slice(0, cut)), delta(values.slice(cut))]);
          expect(await store.read('e')).toEqual([delta(values)]);
        },
      ),
    );
  });

  it('keep sums that could not be stored for the next time', async () => {
    class Flaky extends MemoryExperimentStore {
      down = true;
      override add(deltas: readonly ArmDelta[]): Promise<void> {
        return this.down ? Promise.reject(new Error('down')) : super.add(deltas);
      }
    }
    const { splitter, deferred, logger } = routingWorld(experiment());
    const store: ExperimentStore & { down: boolean } = new Flaky();
    const ledger = new ExperimentLedger(splitter, deferred, logger, store);
    ledger.record('e', 'routed', { success: 1 });
    await ledger.flush();
    ledger.record('e', 'routed', { success: 0 });
    store.down = false;
    await ledger.onApplicationShutdown();
    expect((await store.read('e'))[0]).toMatchObject({ n: 2, sum: 1 });
  });
});

describe('shadow traffic', () => {
  class Runner extends ShadowRunner {
    readonly calls: ChatCall[] = [];
    run(call: ChatCall) {
      this.calls.push(call);
      return Promise.resolve({
        ok: this.calls.length === 1,
        durationMs: 7,
        costMicroUsd: 2_000_000,
      });
    }
  }

  it('copies calls under the gateway’s own identity and reports them as an arm', async () => {
    const shadow = new Runner();
    const world = routingWorld(experiment({ shadow: { model: 'medium', rate: 1 } }), { shadow });
    const traffic = new ShadowTraffic(world.config, world.ports, world.experiments, world.deferred);
    const original = callOf('hi');
    traffic.follow(original);
    traffic.follow(callOf('hi', { route: 'shadow' }));
    await world.deferred.drain(1000);
    expect(shadow.calls).toHaveLength(1);
    expect(shadow.calls[0]).toMatchObject({
      model: 'medium',
      route: 'shadow',
      caller: { kind: 'system' },
      cache: { noStore: true },
    });
    expect(shadow.calls[0]?.id).not.toBe(original.id);
    traffic.follow(callOf('hi'));
    await world.deferred.drain(1000);
    const arm = (await world.experiments.report('e'))?.arms.find((a) => a.arm === 'shadow:medium');
    expect(arm?.metrics).toMatchObject({
      cost_usd: { calls: 2, mean: 2 },
      latency_ms: { calls: 1, mean: 7 },
      success: { mean: 0.5 },
    });
  });

  it('copies the stated share, and nothing without a runner', () => {
    const shadow = new Runner();
    const world = routingWorld(experiment({ shadow: { model: 'medium', rate: 0 } }), { shadow });
    new ShadowTraffic(world.config, world.ports, world.experiments, world.deferred).follow(
      callOf('hi'),
    );
    const without = routingWorld(experiment({ shadow: { model: 'medium', rate: 1 } }));
    new ShadowTraffic(without.config, without.ports, without.experiments, without.deferred).follow(
      callOf('hi'),
    );
    expect(world.deferred.pending + without.deferred.pending).toBe(0);
  });
});
