import { describe, expect, it } from '@jest/globals';
import type { FastifyRequest } from 'fastify';
import { PathMonitor } from '@sluice/routing';
import {
  callOf,
  routingWorld,
  THREE_MODELS,
} from '../../../../libs/routing/testing/routing.world.js';
import { FeedbackController } from '../feedback.controller.js';
import { ExperimentsController } from './experiments.controller.js';
import { FlagsController } from './flags.controller.js';
import { PerformanceController } from './performance.controller.js';
import { RoutingController } from './routing.controller.js';

function setUp() {
  const world = routingWorld({ ...THREE_MODELS, experiments: [{ id: 'e', split: { routed: 1 } }] });
  const monitor = new PathMonitor(world.config, world.clock, world.alerts);
  return {
    ...world,
    monitor,
    routing: new RoutingController(world.log, world.ports, world.learning, monitor),
    performance: new PerformanceController(monitor, world.alerts),
    experimentsDoor: new ExperimentsController(world.config, world.experiments),
    flagsDoor: new FlagsController(world.flags),
    feedbackDoor: new FeedbackController(world.feedback),
  };
}

describe('the routing doors', () => {
  it('explain decisions in snake_case, newest first, without the prompt', () => {
    const w = setUp();
    w.router.route(callOf('What is the canary?'));
    const answer = w.routing.decisions({ limit: '10' });
    expect(answer).toMatchObject({
      object: 'list',
      data: [
        {
          requested: 'auto',
          model: 'small',
          grade: 'simple',
          features: { prompt_tokens: expect.any(Number) },
        },
      ],
    });
    expect(JSON.stringify(answer)).not.toContain('canary');
    expect(w.routing.decisions({ grade: 'complex' })).toMatchObject({ data: [] });
  });

  it.each([{ limit: '0' }, { limit: 'many' }, { grade: 'hard' }])(
    'refuse the query %j',
    (query) => {
      expect(() => setUp().routing.decisions(query)).toThrow(
        expect.objectContaining({ code: 'invalid_request' }),
      );
    },
  );

  it('show breaker, performance and upgrades of each model', () => {
    const w = setUp();
    w.health.set('small', { breaker: 'open', cooldownUntil: 0 });
    for (let i = 0; i < 5; i++) w.learning.ledger.record('small', 'simple', false);
    expect(w.routing.models()).toMatchObject({
      data: [
        {
          id: 'small',
          breaker: 'open',
          cooldown_until: '1970-01-01T00:00:00.000Z',
          grades: [{ grade: 'simple', upgraded_until: expect.any(String) }],
        },
        { id: 'medium', grades: [] },
        { id: 'large' },
      ],
    });
  });

  it('give percentiles, verdict and target per path', () => {
    const w = setUp();
    w.monitor.record({ path: 'direct', model: 'small', durationMs: 10, ok: true });
    w.alerts.raise('latency', 'direct', 'slow');
    expect(w.performance.report()).toMatchObject({
      paths: {
        direct: {
          verdict: 'met',
          p95_ms: 10,
          success_rate: 1,
          target: { p95_ms: 300, success_rate: 0.98 },
        },
        mcp: { verdict: 'no_data', p95_ms: null },
      },
      models: { small: { calls: 1 } },
      alerts: [{ kind: 'latency', resolved_at: null }],
    });
  });

  it('report an experiment, and 404 for one that is not there', async () => {
    const w = setUp();
    w.experiments.record('e', 'routed', { success: 1 });
    expect(w.experimentsDoor.list()).toMatchObject({ data: [{ id: 'e', sticky_by: 'caller' }] });
    expect(await w.experimentsDoor.report('e')).toMatchObject({
      arms: [{ arm: 'routed', calls: 1, differences: null }],
    });
    await expect(w.experimentsDoor.report('x')).rejects.toMatchObject({ code: 'not_found' });
  });

  it.each([
    { name: 'coalescing', enabled: false },
    { flags: { coalescing: false } },
    { coalescing: false },
  ])('set flags from %j', async (body) => {
    const w = setUp();
    expect(await w.flagsDoor.set(body)).toMatchObject({
      flags: { coalescing: false, semantic_cache: true },
    });
    expect(w.flags.isOn('coalescing')).toBe(false);
  });

  it('put a flag under observation', async () => {
    const w = setUp();
    await w.flagsDoor.set({ name: 'coalescing', enabled: true, observe: { share: 0.3 } });
    expect(JSON.stringify(w.flagsDoor.list())).toContain(
      '"share":0.3,"p95_bound":0.2,"error_bound":0.02,"min_calls":100',
    );
  });

  it.each([
    { name: 'Bad Name', enabled: true },
    { name: 'coalesing', enabled: true },
    { coalesing: false },
    { flags: { coalesing: false } },
    { coalescing: 'no' },
    [],
    'x',
    { name: 'a', enabled: true, observe: { share: 2 } },
  ])('refuse the flags %j', async (body) => {
    await expect(setUp().flagsDoor.set(body)).rejects.toMatchObject({ code: 'invalid_request' });
  });

  it.each([
    [{ score: 0.2 }, 0.2],
    [{ rating: 5 }, 1],
    [{ rating: 'down' }, 0],
  ])('take the feedback %j as %d', async (given, score) => {
    const w = setUp();
    const call = callOf('What is TypeScript?');
    w.feedback.answered({
      requestId: call.id,
      caller: call.caller,
      model: 'small',
      grade: 'simple',
    });
    const request = { caller: call.caller } as FastifyRequest;
    expect(await w.feedbackDoor.give(request, { request_id: call.id, ...given })).toEqual({
      object: 'feedback',
      request_id: call.id,
      score,
    });
  });

  it.each([{}, { score: 2 }, { score: 1, rating: 1 }, { rating: 9 }])(
    'refuse the feedback %j',
    async (given) => {
      const call = callOf('x');
      await expect(
        setUp().feedbackDoor.give({ caller: call.caller } as FastifyRequest, {
          request_id: 'a',
          ...given,
        }),
      ).rejects.toMatchObject({ code: 'invalid_request' });
    },
  );
});
