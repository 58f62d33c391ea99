import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { ChatReply, GatewayError, usage, type ChatCall, type ChatMessage } from '@sluice/kernel';
import {
  answerOf,
  callerNamed,
  callOf,
  routingWorld,
  THREE_MODELS,
} from '../testing/routing.world.js';
import { RoutingObserver } from './routing.observer.js';

function setUp(env = {}, sluice = THREE_MODELS) {
  const world = routingWorld(
    { ...sluice, experiments: [{ id: 'e', split: { routed: 1 } }] },
    { env },
  );
  const observer = new RoutingObserver(
    world.learning,
    world.metrics,
    world.log,
    world.deferred,
    world.feedback,
  );
  const state = (model: string) => world.learning.ledger.states().find((s) => s.model === model);
  return { ...world, observer, state };
}
const attempt = (call: ChatCall, model: string, errorCode?: string) =>
  call.journal.attempts.push({
    model,
    provider: 'sandbox',
    startedAt: 0,
    outcome: errorCode === undefined ? 'completed' : 'failed',
    ...(errorCode === undefined ? {} : { errorCode }),
  });
const replyOf = (message: ChatMessage) =>
  ChatReply.message(message, {
    bill: { usage: usage({ input: 1000, output: 1000 }), costMicroUsd: 750 },
  });

describe('the routing observer', () => {
  it('learns success from an answer that passes inspection, after the caller has it', async () => {
    const w = setUp();
    const call = callOf('What is 3 + 4?');
    const decision = w.router.route(call);
    attempt(call, 'small');
    const reply = await w.observer.watch(call, decision, () =>
      Promise.resolve(replyOf(answerOf('7'))),
    );
    reply.take();
    expect(w.state('small')).toBeUndefined();
    await w.deferred.drain(1000);
    expect(w.state('small')).toMatchObject({ grade: 'simple', calls: 1, failures: 0 });
  });

  it('learns failure from an answer that does not pass', async () => {
    const w = setUp();
    const call = callOf('What is 3 + 4?');
    const decision = w.router.route(call);
    attempt(call, 'small');
    (await w.observer.watch(call, decision, () => Promise.resolve(replyOf(answerOf('8'))))).take();
    await w.deferred.drain(1000);
    expect(w.state('small')).toMatchObject({ calls: 1, failures: 1 });
  });

  it('blames models for upstream errors alone, attempt by attempt', async () => {
    const w = setUp();
    const call = callOf('What is TypeScript?');
    const decision = w.router.route(call);
    attempt(call, 'small', 'upstream_timeout');
    attempt(call, 'medium', 'rate_limited');
    attempt(call, 'large', 'invalid_request');
    const failure = new GatewayError('upstream_error', 'down');
    await expect(w.observer.watch(call, decision, () => Promise.reject(failure))).rejects.toBe(
      failure,
    );
    expect(w.learning.ledger.states().map((s) => [s.model, s.failures])).toEqual([['small', 1]]);
  });

  it('moves a grade up after repeated failures and counts that', async () => {
    const w = setUp();
    for (let i = 0; i < 5; i++) {
      const call = callOf('What is TypeScript?');
      const decision = w.router.route(call);
      attempt(call, 'small', 'upstream_error');
      await w.observer
        .watch(call, decision, () => Promise.reject(new Error('x')))
        .catch(() => undefined);
    }
    expect(w.router.route(callOf('What is TypeScript?')).chosen).toBe('medium');
    expect(await w.registry.registry.metrics()).toContain('sluice_routing_upgrades_total 1');
    w.clock.advance(11 * 60_000);
    expect(w.router.route(callOf('What is TypeScript?')).chosen).toBe('small');
  });

  it('counts what routing saved against the dearest complex model', async () => {
    const w = setUp();
    const call = callOf('What is TypeScript?');
    const decision = w.router.route(call);
    (await w.observer.watch(call, decision, () => Promise.resolve(replyOf(answerOf('x'))))).take();
    const metrics = await w.registry.registry.metrics();
    // 1,000 tokens each way: 18,000 micro-USD at the large model's price, 750 as billed.
    expect(metrics).toMatch(/sluice_cost_saved_by_routing_usd_total 0\.01725/);
  });

  it('saves nothing on a named model', async () => {
    const w = setUp();
    const call = callOf('What is TypeScript?', { model: 'small' });
    const decision = w.router.route(call);
    attempt(call, 'small');
    (await w.observer.watch(call, decision, () => Promise.resolve(replyOf(answerOf('x'))))).take();
    expect(await w.registry.registry.metrics()).toMatch(
      /sluice_cost_saved_by_routing_usd_total 0\n/,
    );
    expect(w.state('small')).toMatchObject({ calls: 1, failures: 0 });
  });
});

describe('feedback', () => {
  async function answered(w: ReturnType<typeof setUp>, model = 'small'): Promise<ChatCall> {
    const call = callOf('What is TypeScript?');
    const decision = w.router.route(call);
    attempt(call, model);
    (
      await w.observer.watch(call, decision, () =>
        Promise.resolve(replyOf(answerOf('A language.'))),
      )
    ).take();
    await w.deferred.drain(1000);
    return call;
  }

  it('teaches the router and counts for the experiment, once a call', async () => {
    const w = setUp();
    const call = await answered(w);
    await w.feedback.give(call.caller, call.id, 0.2);
    expect(w.state('small')).toMatchObject({ calls: 2, failures: 1 });
    expect((await w.experiments.report('e'))?.arms[0]?.metrics.feedback).toEqual({
      calls: 1,
      mean: 0.2,
    });
    await expect(w.feedback.give(call.caller, call.id, 1)).rejects.toThrow('judged already');
  });

  it('is about the model that answered, not the one that was chosen and failed', async () => {
    const w = setUp();
    const call = await answered(w, 'large');
    await w.feedback.give(call.caller, call.id, 0);
    expect(w.state('large')).toMatchObject({ failures: 1 });
    expect(w.state('small')).toBeUndefined();
  });

  it('is taken for a model without a grade too, which has nothing to learn from it', async () => {
    const plain = { id: 'plain', provider: 'sandbox' };
    const w = setUp({}, { ...THREE_MODELS, models: [plain] });
    const call = callOf('hi', { model: 'plain' });
    const decision = w.router.route(call);
    const answer = () => Promise.resolve(replyOf(answerOf('hello')));
    (await w.observer.watch(call, decision, answer)).take();
    await w.feedback.give(call.caller, call.id, 0);
    expect(w.state('plain')).toBeUndefined();
  });

  it('is refused for unknown calls and for those of others', async () => {
    const w = setUp();
    const call = await answered(w);
    for (const [caller, id] of [
      [callerNamed('eve'), call.id],
      [{ ...call.caller, tenant: 'other' }, call.id],
      [call.caller, 'nothing'],
    ] as const) {
      await expect(w.feedback.give(caller, id, 1)).rejects.toMatchObject({ code: 'not_found' });
    }
  });
});

describe('the decision log', () => {
  it('gives the newest decisions first, by model and grade', () => {
    const w = setUp();
    for (const text of ['What is TypeScript?', 'Build a shop', 'What is Rust?'])
      w.router.route(callOf(text));
    const models = (filter: Parameters<typeof w.log.recent>[0]) =>
      w.log.recent(filter).map((d) => d.chosen);
    expect(models({ limit: 10 })).toEqual(['small', 'large', 'small']);
    expect(models({ limit: 1 })).toEqual(['small']);
    expect(models({ limit: 10, model: 'large' })).toEqual(['large']);
    expect(models({ limit: 10, grade: 'medium' })).toEqual([]);
  });

  it('forgets the oldest beyond a thousand', () => {
    const w = setUp();
    const made = Array.from({ length: 1005 }, () => w.router.route(callOf('What is TypeScript?')));
    expect(w.log.recent({ limit: 5000 })).toEqual(made.slice(5).reverse());
  });

  it('writes features and outcome for the replay, and never the prompt', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-routing-'));
    await mkdir(join(folder, 'routing'));
    await writeFile(join(folder, 'routing', '2020-01-01.1.jsonl'), 'old');
    const w = setUp({ SLUICE_DATA_DIR: folder });
    for (let i = 0; i < 201; i++) {
      const call = callOf('What is the canary-word?');
      const decision = w.router.route(call);
      (
        await w.observer.watch(call, decision, () => Promise.resolve(replyOf(answerOf('x'))))
      ).take();
    }
    await w.deferred.drain(1000);
    await w.file.onApplicationShutdown();
    const files = await readdir(join(folder, 'routing'));
    expect(files).toHaveLength(1);
    const text = await readFile(join(folder, 'routing', files[0]!), 'utf8');
    const lines = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines).toHaveLength(201);
    expect(lines[0]).toMatchObject({
      chosen: 'small',
      grade: 'simple',
      input: 1000,
      output: 1000,
      ok: true,
      tier: 'free',
    });
    expect(text).not.toContain('canary-word');
    await rm(folder, { recursive: true });
  });

  it('goes on when the disk does not', async () => {
    const w = setUp({ SLUICE_DATA_DIR: '/dev/null/nowhere' });
    const call = callOf('What is TypeScript?');
    w.router.route(call);
    w.log.close(call, { input: 1, output: 1, ok: true });
    await w.file.flush();
    expect(w.logger.lines.at(-1)?.message).toBe('routing decisions could not be written');
  });
});
