import { describe, expect, it, jest } from '@jest/globals';
import {
  ChatChunk,
  ChatReply,
  eventsOf,
  GatewayError,
  MessageAssembler,
  usage,
  type ChatMessage,
  type ReplyEnd,
  type Target,
} from '@sluice/kernel';
import { answerOf, callOf, routingWorld, THREE_MODELS } from '../testing/routing.world.js';
import { CascadeRunner } from './cascade.runner.js';

const GOOD = answerOf('3 + 4 = 7');
const BAD = answerOf('3 + 4 = 8');
const COST = { small: 10, medium: 100 };

function setUp(stream = false) {
  const world = routingWorld({ ...THREE_MODELS, routing: { cascade: 'on' } });
  const call = callOf('Compare 3 + 4 with 7. How many?', { stream });
  const decision = world.router.route(call);
  const runner = new CascadeRunner(world.clock, world.learning, world.log, world.metrics);
  const asked: string[] = [];
  const run = (answers: Record<string, () => ChatReply>) => (targets: readonly Target[]) => {
    const model = targets[0]!.model;
    asked.push(model);
    const make = answers[model];
    if (make === undefined) throw new Error(`nobody expected ${model}`);
    return Promise.resolve().then(make);
  };
  return { world, call, plan: decision.cascade!, runner, asked, run };
}

const bill = (model: keyof typeof COST) => ({
  usage: usage({ input: 1, output: 1 }),
  costMicroUsd: COST[model],
});
const whole = (message: ChatMessage, model: keyof typeof COST) => () =>
  ChatReply.message(message, { bill: bill(model) });
const stream =
  (message: ChatMessage, model: keyof typeof COST, onReturn: () => void = () => undefined) =>
  () => {
    async function* chunks() {
      try {
        for (const event of eventsOf(message)) yield ChatChunk.of(event);
      } finally {
        onReturn();
      }
    }
    return ChatReply.stream(chunks(), () => bill(model));
  };
const failing = () => {
  throw new GatewayError('upstream_error', 'down');
};
/** Fails after the upstream has worked: a timeout, or a stream cut before its first content. */
const failingAt = (model: keyof typeof COST) => () => {
  throw new GatewayError('upstream_timeout', 'too slow', { bill: bill(model) });
};
async function failure(work: Promise<unknown>): Promise<GatewayError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof GatewayError) return error;
  }
  throw new Error('no GatewayError was thrown');
}

async function finish(reply: ChatReply): Promise<{ message: ChatMessage; end: ReplyEnd }> {
  let end: ReplyEnd | undefined;
  reply.observe({ onEnd: (e) => (end = e) });
  if (reply.kind === 'message') return { message: reply.take(), end: end! };
  const assembler = new MessageAssembler();
  for await (const chunk of reply.chunks()) assembler.add(chunk);
  return { message: assembler.message(), end: end! };
}
const textOf = (message: ChatMessage) =>
  message.choices[0]?.parts.map((p) => ('text' in p ? p.text : '')).join('');

describe.each([
  ['a message', false, whole],
  ['a stream', true, stream],
] as const)('the cascade over %s', (_name, streaming, make) => {
  it('gives the cheap answer when it passes, at its price alone', async () => {
    const { call, plan, runner, asked, run } = setUp(streaming);
    const { message, end } = await finish(
      await runner.run(call, plan, run({ small: make(GOOD, 'small') })),
    );
    expect(textOf(message)).toBe('3 + 4 = 7');
    expect(end.costMicroUsd).toBe(10);
    expect(asked).toEqual(['small']);
  });

  it('gives the strong answer when the cheap one fails, at the price of both', async () => {
    const { world, call, plan, runner, asked, run } = setUp(streaming);
    const answers = run({ small: make(BAD, 'small'), medium: make(GOOD, 'medium') });
    const { message, end } = await finish(await runner.run(call, plan, answers));
    expect(textOf(message)).toBe('3 + 4 = 7');
    expect(end.costMicroUsd).toBe(110);
    expect(end.usage.output).toBe(2);
    expect(asked).toEqual(['small', 'medium']);
    expect(world.learning.ledger.states()).toMatchObject([{ model: 'small', failures: 1 }]);
  });

  it('goes to the strong side when the cheap one has no answer', async () => {
    const { call, plan, runner, run } = setUp(streaming);
    const answers = run({ small: failing, medium: make(GOOD, 'medium') });
    const { end } = await finish(await runner.run(call, plan, answers));
    expect(end.costMicroUsd).toBe(100);
  });

  it('charges a cheap run that cost something although it threw', async () => {
    const { call, plan, runner, run } = setUp(streaming);
    const answers = run({ small: failingAt('small'), medium: make(GOOD, 'medium') });
    const { message, end } = await finish(await runner.run(call, plan, answers));
    expect(textOf(message)).toBe('3 + 4 = 7');
    expect(end).toMatchObject({ outcome: 'completed', costMicroUsd: 110 });
    expect(end.usage.output).toBe(2);
  });

  it.each([
    ['an answer that failed inspection', make(BAD, 'small'), failing, 10],
    ['a cheap run that threw', failingAt('small'), failing, 10],
    ['both', failingAt('small'), failingAt('medium'), 110],
    ['the strong side alone', failing, failingAt('medium'), 100],
  ])('charges for %s when the strong side fails, too', async (_what, small, medium, cost) => {
    const { call, plan, runner, run } = setUp(streaming);
    const error = await failure(runner.run(call, plan, run({ small, medium })));
    expect(error.bill).toEqual({
      usage: usage({ input: cost === 110 ? 2 : 1, output: cost === 110 ? 2 : 1 }),
      costMicroUsd: cost,
    });
  });

  it('fails as the strong side fails', async () => {
    const { call, plan, runner, run } = setUp(streaming);
    const answers = run({ small: make(BAD, 'small'), medium: failing });
    await expect(runner.run(call, plan, answers)).rejects.toThrow('down');
  });
});

describe('a held stream', () => {
  it('that breaks off goes to the strong side, and what it cost is charged', async () => {
    const { call, plan, runner, run } = setUp(true);
    async function* broken() {
      yield ChatChunk.of({ type: 'text', choice: 0, text: '3 +' });
      throw new GatewayError('upstream_error', 'cut');
    }
    const answers = run({
      small: () => ChatReply.stream(broken(), () => bill('small')),
      medium: stream(GOOD, 'medium'),
    });
    const { message, end } = await finish(await runner.run(call, plan, answers));
    expect(textOf(message)).toBe('3 + 4 = 7');
    expect(end.costMicroUsd).toBe(110);
  });

  it('that grows too long flows on unchecked', async () => {
    const { world, call, plan, runner, asked, run } = setUp(true);
    async function* long() {
      for (let i = 0; i < 40; i++)
        yield ChatChunk.of({ type: 'text', choice: 0, text: 'x'.repeat(1000) });
      yield ChatChunk.of({ type: 'finish', choice: 0, reason: 'stop' });
    }
    const answers = run({ small: () => ChatReply.stream(long(), () => bill('small')) });
    const { message, end } = await finish(await runner.run(call, plan, answers));
    expect(textOf(message)).toHaveLength(40_000);
    expect(end).toMatchObject({ outcome: 'completed', costMicroUsd: 10 });
    expect(asked).toEqual(['small']);
    expect(await world.registry.registry.metrics()).toContain(
      'cascades_total{outcome="released"} 1',
    );
  });

  it('that the caller leaves ends its source, exactly once', async () => {
    const { call, plan, runner, run } = setUp(true);
    const closed = jest.fn();
    const answers = run({ small: stream(BAD, 'small'), medium: stream(GOOD, 'medium', closed) });
    const reply = await runner.run(call, plan, answers);
    let end: ReplyEnd | undefined;
    reply.observe({ onEnd: (e) => (end = e) });
    for await (const chunk of reply.chunks()) {
      expect(chunk.events).toHaveLength(1);
      break;
    }
    expect(end).toMatchObject({ outcome: 'abandoned', costMicroUsd: 110 });
    expect(closed).toHaveBeenCalledTimes(1);
  });

  it('asks nobody else when the caller has gone', async () => {
    const gone = AbortSignal.abort();
    const { plan, runner, asked, run } = setUp(true);
    const call = callOf('x', { signal: gone });
    await expect(runner.run(call, plan, run({ small: failing }))).rejects.toThrow('down');
    async function* cut(): AsyncGenerator<ChatChunk> {
      yield ChatChunk.of({ type: 'text', choice: 0, text: 'a' });
      throw new GatewayError('client_closed', 'left');
    }
    const answers = run({ small: () => ChatReply.stream(cut(), () => bill('small')) });
    const error = await failure(runner.run(call, plan, answers));
    expect(error).toMatchObject({ code: 'client_closed', bill: { costMicroUsd: 10 } });
    expect(asked).toEqual(['small', 'small']);
  });
});
