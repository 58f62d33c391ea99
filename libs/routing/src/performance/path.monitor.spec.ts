import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ChatReply, GatewayError, NO_USAGE, type AttemptFact, type ChatCall } from '@sluice/kernel';
import { answerOf, callOf, routingWorld, THREE_MODELS } from '../../testing/routing.world.js';
import { ShadowTraffic } from '../experiments/shadow.traffic.js';
import { PathMonitor } from './path.monitor.js';
import { PerformanceInterceptor } from './performance.interceptor.js';
import { SlidingWindow } from './sliding.window.js';

const MINUTE = 60_000;

function setUp() {
  const world = routingWorld({
    ...THREE_MODELS,
    experiments: [{ id: 'e', split: { routed: 0.5, 'model:large': 0.5 } }],
  });
  const monitor = new PathMonitor(world.config, world.clock, world.alerts);
  const shadow = new ShadowTraffic(world.config, world.ports, world.experiments, world.deferred);
  const interceptor = new PerformanceInterceptor(
    monitor,
    world.flags,
    world.experiments,
    world.splitter,
    shadow,
    world.feedback,
  );
  const calls = (count: number, durationMs: number, ok = true) => {
    for (let i = 0; i < count; i++) {
      monitor.record({ path: 'direct', model: 'small', durationMs, ok });
      world.clock.advance(100);
    }
  };
  return { ...world, monitor, interceptor, calls };
}

describe('the sliding window', () => {
  it('gives percentiles within one per cent and a tenth of a millisecond', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0.1, max: 60_000, noNaN: true }), {
          minLength: 1,
          maxLength: 300,
        }),
        (values) => {
          const window = new SlidingWindow(1000, 10);
          for (const value of values) window.record(0, value);
          const sorted = values.toSorted((a, b) => a - b);
          const { p50, calls } = window.read(0);
          const exact = sorted[Math.ceil(values.length / 2) - 1]!;
          expect(calls).toBe(values.length);
          expect(Math.abs(p50! - exact)).toBeLessThanOrEqual(exact * 0.01 + 0.11);
        },
      ),
    );
  });

  it('forgets slot by slot and can look past its newest ones', () => {
    const window = new SlidingWindow(1000, 10);
    window.record(0, 5);
    window.record(5000, undefined);
    expect(window.read(5000)).toMatchObject({ calls: 2, failures: 1, p50: 5 });
    expect(window.read(5000, { skip: 5 })).toMatchObject({ calls: 1, failures: 0 });
    expect(window.read(10_500)).toMatchObject({ calls: 1, failures: 1, p50: undefined });
    expect(window.read(60_000).calls).toBe(0);
  });
});

describe('the path monitor', () => {
  it('judges each path by its own targets', () => {
    const { monitor, calls } = setUp();
    expect(monitor.path('direct').verdict).toBe('no_data');
    calls(100, 200);
    expect(monitor.path('direct')).toMatchObject({ verdict: 'met', calls: 100, successRate: 1 });
    calls(20, 900);
    expect(monitor.path('direct').verdict).toBe('missed');
    expect(monitor.path('mcp')).toMatchObject({
      verdict: 'no_data',
      target: { p95: 500, success: 0.95 },
    });
    expect(monitor.model('small').calls).toBe(120);
    expect(monitor.models).toEqual(['small']);
    expect(monitor.model('unknown').calls).toBe(0);
  });

  it('raises an alert when a target is missed, once, and resolves it', () => {
    const { monitor, clock, alerts, calls } = setUp();
    calls(100, 900);
    const open = () =>
      alerts
        .list()
        .filter((a) => a.resolvedAt === undefined)
        .map((a) => a.kind);
    expect(open()).toEqual(['target_missed']);
    calls(100, 900);
    expect(alerts.list()).toHaveLength(1);
    clock.advance(6 * MINUTE);
    calls(100, 20);
    expect(open()).toEqual([]);
    monitor.check();
    expect(alerts.list()).toHaveLength(1);
  });

  it('notices that a path and a model got slower than they were', () => {
    const { monitor, clock, alerts, calls } = setUp();
    calls(100, 50);
    clock.advance(6 * MINUTE);
    calls(100, 200);
    expect(monitor.path('direct')).toMatchObject({ degraded: true, verdict: 'met' });
    const subjects = alerts.list().map((a) => `${a.kind} ${a.subject}`);
    expect(subjects).toEqual(expect.arrayContaining(['latency direct', 'latency model:small']));
  });

  it('notices that a path fails more than it did', () => {
    const { monitor, clock, alerts, calls } = setUp();
    calls(100, 50);
    clock.advance(6 * MINUTE);
    calls(60, 50);
    calls(40, 50, false);
    monitor.check();
    expect(alerts.list().map((a) => a.kind)).toEqual(
      expect.arrayContaining(['success', 'target_missed']),
    );
  });
});

describe('the performance interceptor', () => {
  const attempt = (model: string, outcome: 'completed' | 'failed'): AttemptFact => ({
    model,
    provider: 'p',
    startedAt: 0,
    outcome,
  });
  const answered = (call: ChatCall) => {
    call.journal.attempts.push(attempt('small', 'completed'));
    return Promise.resolve(
      ChatReply.message(answerOf('hi'), { bill: { usage: NO_USAGE, costMicroUsd: 5 } }),
    );
  };
  const refused = (code: 'upstream_error' | 'invalid_request') => (call: ChatCall) => {
    call.journal.attempts.push(attempt('small', 'failed'));
    return Promise.reject(new GatewayError(code, 'no'));
  };

  it('counts an answer for its path and model when it has ended', async () => {
    const { interceptor, monitor } = setUp();
    const reply = await interceptor.around(callOf('hi'), answered);
    expect(monitor.path('direct').calls).toBe(0);
    reply.take();
    expect(monitor.path('direct')).toMatchObject({ calls: 1, successRate: 1 });
    expect(monitor.model('small').calls).toBe(1);
  });

  it('counts upstream failures, and not mistakes or departures of callers', async () => {
    const { interceptor, monitor } = setUp();
    await expect(interceptor.around(callOf('hi'), refused('upstream_error'))).rejects.toThrow();
    expect(monitor.path('direct')).toMatchObject({ calls: 1, failures: 1 });
    await expect(interceptor.around(callOf('hi'), refused('invalid_request'))).rejects.toThrow();
    await (await interceptor.around(callOf('hi'), answered)).abandon();
    await (
      await interceptor.around(callOf('hi'), answered)
    ).abandon(new GatewayError('client_closed', 'left'));
    expect(monitor.path('direct').calls).toBe(1);
    await (
      await interceptor.around(callOf('hi'), answered)
    ).abandon(new GatewayError('upstream_error', 'cut'));
    expect(monitor.path('direct').failures).toBe(2);
  });

  it('lets hits be judged, by their caller, once, within a day, and learns nothing of it', async () => {
    const { interceptor, feedback, learning, clock } = setUp();
    const served = async (verdict: 'hit' | 'semantic' | 'coalesced'): Promise<ChatCall> => {
      const call = callOf('hi');
      const next = (c: ChatCall) => {
        c.journal.cache = { verdict };
        return Promise.resolve(ChatReply.message(answerOf('hello')));
      };
      (await interceptor.around(call, next)).take();
      return call;
    };
    for (const verdict of ['hit', 'semantic', 'coalesced'] as const) {
      const call = await served(verdict);
      const stranger = { ...call.caller, id: 'eve' };
      await expect(feedback.give(stranger, call.id, 0)).rejects.toMatchObject({
        code: 'not_found',
      });
      await feedback.give(call.caller, call.id, 0);
      await expect(feedback.give(call.caller, call.id, 0)).rejects.toMatchObject({
        code: 'conflict',
      });
    }
    expect(learning.ledger.states()).toEqual([]);
    const old = await served('hit');
    clock.advance(24 * 60 * MINUTE + 1);
    await expect(feedback.give(old.caller, old.id, 1)).rejects.toMatchObject({ code: 'not_found' });
  });

  it('counts hits on the path cache, exposed by the arm their caller belongs to', async () => {
    const { interceptor, monitor, experiments, splitter } = setUp();
    const call = callOf('hi');
    const hit = (c: ChatCall) => {
      c.journal.cache = { verdict: 'hit', tier: 'l1' };
      return Promise.resolve(ChatReply.message(answerOf('hi')));
    };
    (await interceptor.around(call, hit)).take();
    expect(monitor.path('cache').calls).toBe(1);
    const { arm } = splitter.assignments(call)[0]!;
    const report = await experiments.report('e');
    expect(report?.arms.find((a) => a.arm === arm)?.metrics.cache_hit).toEqual({
      calls: 1,
      mean: 1,
    });
  });

  it('takes the time to the first token of a stream', async () => {
    const { interceptor, monitor } = setUp();
    const call = callOf('hi', { stream: true });
    const reply = await interceptor.around(call, answered);
    call.journal.firstTokenAt = call.startedAt + 42;
    reply.take();
    expect(monitor.path('direct').p50).toBeCloseTo(42, 0);
  });

  it('leaves shadow calls out', async () => {
    const { interceptor, monitor } = setUp();
    (await interceptor.around(callOf('hi', { route: 'shadow' }), answered)).take();
    expect(monitor.path('direct').calls).toBe(0);
  });
});
