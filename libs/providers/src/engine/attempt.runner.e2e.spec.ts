import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { SluiceConfigInput } from '@sluice/config';
import {
  GatewayError,
  textOf,
  type ChatCall,
  type ChatReply,
  type ReplyEnd,
  type SpendHold,
} from '@sluice/kernel';
import { chatChunks, chatCompletion } from '../../../../test/upstream/openai-fixtures.js';
import { ScriptedUpstream, type Script } from '../../../../test/upstream/scripted-upstream.js';
import {
  chatCall,
  engineBench,
  type EngineBench,
  type TestCall,
} from '../../testing/engine.bench.js';

let a: ScriptedUpstream;
let b: ScriptedUpstream;
let bench: EngineBench;
const price = { input: 1, output: 10 };

function sluice(more: { a?: object; routing?: object } = {}): SluiceConfigInput {
  const common = { kind: 'openai' as const, auth: 'none' as const };
  return {
    providers: [
      { ...common, id: 'a', baseUrl: a.baseUrl, ...more.a },
      { ...common, id: 'b', baseUrl: b.baseUrl },
    ],
    models: [
      { id: 'm-a', provider: 'a', upstream: 'up-a', price },
      { id: 'm-a2', provider: 'a', price },
      { id: 'm-b', provider: 'b', price },
    ],
    ...(more.routing === undefined ? {} : { routing: more.routing }),
  };
}
beforeAll(async () => {
  [a, b] = await Promise.all([ScriptedUpstream.start(), ScriptedUpstream.start()]);
});
beforeEach(() => {
  bench = engineBench(sluice());
});
afterEach(async () => {
  await bench.close();
  a.reset();
  b.reset();
});
afterAll(async () => {
  await Promise.all([a.close(), b.close()]);
});
async function rebench(more: Parameters<typeof sluice>[0]): Promise<void> {
  await bench.close();
  bench = engineBench(sluice(more));
}

const run = (call: ChatCall, ...ids: string[]): Promise<ChatReply> =>
  bench.runner.run(
    call,
    ids.map((id) => bench.target(id)),
  );
const streaming = (more: TestCall = {}): ChatCall => chatCall({ stream: true, ...more });
async function failure(promise: Promise<unknown>): Promise<GatewayError> {
  const error: unknown = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(GatewayError);
  return error as GatewayError;
}
/** Reads to the end; the frames as they came, the texts they mean, and how it ended. */
async function read(reply: ChatReply) {
  const ends: ReplyEnd[] = [];
  reply.observe({ onEnd: (end) => ends.push(end) });
  const frames: string[] = [];
  let text = '';
  let error: GatewayError | undefined;
  const finishes: string[] = [];
  try {
    for await (const chunk of reply.chunks()) {
      if (chunk.frame !== undefined) frames.push(chunk.frame.data);
      for (const event of chunk.events) {
        if (event.type === 'text') text += event.text;
        if (event.type === 'finish') finishes.push(event.reason);
      }
    }
  } catch (thrown) {
    error = thrown as GatewayError;
  }
  expect(ends).toHaveLength(1);
  return { frames, text, finishes, error, end: ends[0]! };
}
/** Nothing is held at any provider. */
function expectAllGivenBack(): void {
  for (const id of ['a', 'b']) expect(bench.runner.load(id)).toEqual({ running: 0, waiting: 0 });
  for (const view of bench.health.all()) expect(view.inflight).toBe(0);
}

describe('an attempt', () => {
  it('sends the caller’s body through but for the model name, and brings the upstream’s body back', async () => {
    const body = {
      model: 'm-a',
      messages: [{ role: 'user', content: 'x', odd: 1 }],
      unknown_field: { deep: [1] },
    };
    a.next({ json: { ...chatCompletion({ model: 'up-a' }), extra: true } });
    const call = chatCall({ body });
    const reply = await run(call, 'm-a');
    expect(a.requests[0]!.json).toEqual({ ...body, model: 'up-a' });
    expect(a.requests[0]!.path).toBe('/v1/chat/completions');
    expect(reply.wire).toMatchObject({ dialect: 'openai-chat', body: { extra: true } });
    expect(JSON.parse(reply.wire!.json!)).toEqual(reply.wire!.body);
    const ends: ReplyEnd[] = [];
    reply.observe({ onEnd: (end) => ends.push(end) });
    expect(textOf(reply.take().choices[0]!.parts)).toBe('Hello world');
    expect(ends[0]).toMatchObject({ outcome: 'completed', costMicroUsd: 9 + 20 });
    expect(call.journal.attempts).toEqual([
      expect.objectContaining({
        model: 'm-a',
        provider: 'a',
        outcome: 'completed',
        status: 200,
        costMicroUsd: 29,
      }),
    ]);
    expect(call.journal.upstreamMs).toBeGreaterThan(0);
    expectAllGivenBack();
  });
  it('streams the upstream’s frames word for word and always asks for usage', async () => {
    const frames = chatChunks({ pieces: ['Hel', 'lo "quoted" \\ ', 'wörld'] });
    a.next({ sse: frames });
    const { frames: seen, text, end, finishes } = await read(await run(streaming(), 'm-a'));
    expect(seen).toEqual(frames.map((f) => JSON.stringify(f)));
    expect(text).toBe('Hello "quoted" \\ wörld');
    expect(finishes).toEqual(['stop']);
    expect(a.requests[0]!.json).toMatchObject({
      stream: true,
      stream_options: { include_usage: true },
    });
    expect(end).toMatchObject({
      outcome: 'completed',
      usage: { input: 9, output: 2, estimated: false },
      costMicroUsd: 29,
    });
    expect(textOf(end.message!().choices[0]!.parts)).toBe(text);
    expectAllGivenBack();
  });
  it('counts what was streamed when the upstream reports no usage, and marks it', async () => {
    a.next({ sse: chatChunks({ usage: null }) });
    const { end } = await read(await run(streaming(), 'm-a'));
    expect(end.usage).toMatchObject({ output: 3, estimated: true });
    expect(end.usage.input).toBeGreaterThan(5);
    a.next({ json: chatCompletion({ usage: undefined }) });
    const reply = await run(chatCall(), 'm-a');
    expect(reply.peek()!.usage).toMatchObject({ output: 2, estimated: true });
    await reply.abandon();
  });
  it('tells a server that does not stream as a stream', async () => {
    a.next({ json: chatCompletion() });
    const { text, end } = await read(await run(streaming(), 'm-a'));
    expect(text).toBe('Hello world');
    expect(end.usage.output).toBe(2);
  });
  it('accepts the end of a stream without [DONE] once the finish reason has come', async () => {
    a.next({ sse: chatChunks(), done: false });
    expect((await read(await run(streaming(), 'm-a'))).end.outcome).toBe('completed');
  });
});

describe('failures before the first content', () => {
  const broken: [string, Script][] = [
    ['500', { status: 500, json: { error: { message: 'boom' } } }],
    ['503 in HTML', { status: 503, body: '<html>', headers: { 'content-type': 'text/html' } }],
    [
      '429 with Retry-After',
      { status: 429, json: { error: { message: 'slow' } }, headers: { 'retry-after': '30' } },
    ],
    ['401', { status: 401, json: { error: { message: 'bad key' } } }],
    ['404', { status: 404, json: { error: { message: 'no model' } } }],
    ['a redirect', { status: 302, headers: { location: 'http://127.0.0.1:1/' } }],
    ['a reset', { reset: true }],
    ['a hang', { hang: true }],
    ['rubbish', { body: 'not json' }],
    ['an empty stream', { sse: [], done: false }],
    ['a stream of rubbish', { sse: ['data: nonsense\n\n'] }],
    ['an error frame', { sse: [{ error: { message: 'overloaded', type: 'server_error' } }] }],
    ['a role and then nothing', { sse: chatChunks().slice(0, 1), done: false, hang: 'after' }],
    ['a role and then a cut', { sse: chatChunks().slice(0, 1), done: false, cutAfterBytes: 400 }],
  ];
  it.each(broken)('are hidden while another target is healthy: %s', async (_, script) => {
    await rebench({ a: { firstTokenTimeout: '80ms', timeout: '80ms' } });
    for (const stream of [true, false]) {
      if (!stream && script.sse !== undefined) continue;
      a.always(script);
      const call = chatCall({ stream });
      const reply = await run(call, 'm-a', 'm-b');
      if (stream) expect((await read(reply)).text).toBe('Hello world');
      else expect(textOf(reply.take().choices[0]!.parts)).toBe('Hello world');
      expect(call.journal.attempts.map((fact) => fact.outcome)).toEqual(
        call.journal.attempts.length === 1 ? ['completed'] : ['failed', 'completed'],
      );
      expectAllGivenBack();
    }
  });
  it.each([
    [400, 'invalid_request'],
    [422, 'unprocessable'],
  ])('of status %i reach the caller with the upstream’s own words', async (status, code) => {
    const body = {
      error: {
        message: 'You asked wrongly',
        type: 'invalid_request_error',
        param: 'seed',
        code: 'x',
      },
    };
    a.next({ status, json: body });
    const error = await failure(run(chatCall(), 'm-a', 'm-b'));
    expect(error).toMatchObject({
      code,
      message: 'You asked wrongly',
      param: 'seed',
    });
    expect(error.upstream).toEqual({ provider: 'a', status, dialect: 'openai-chat', body });
    // What one upstream calls wrong is not tried elsewhere.
    expect(b.requests).toHaveLength(0);
  });
  it.each([
    [401, 'unauthorized'],
    [402, 'upstream_error'],
    [403, 'forbidden'],
    [404, 'model_not_found'],
    [429, 'rate_limited'],
    [500, 'upstream_error'],
    [529, 'upstream_error'],
    [504, 'upstream_timeout'],
  ])('status %i is %s', async (status, code) => {
    a.next({ status, json: { error: { message: 'said' } } });
    expect(await failure(run(chatCall(), 'm-a'))).toMatchObject({
      code,
      message: 'said',
      upstream: { status },
    });
    expectAllGivenBack();
  });
  it('a provider without money is not repeated, and the next one answers', async () => {
    a.always({ status: 402, json: { error: { message: 'Insufficient Balance' } } });
    const reply = await run(chatCall(), 'm-a', 'm-a', 'm-b');
    expect(textOf(reply.take().choices[0]!.parts)).toBe('Hello world');
    expect([a.requests.length, b.requests.length]).toEqual([1, 1]);
    expectAllGivenBack();
  });
  it('a prompt that is too long for one target goes to the next', async () => {
    a.next({ status: 400, json: { error: { message: 'x', code: 'context_length_exceeded' } } });
    await (await run(chatCall(), 'm-a', 'm-b')).abandon();
    expect(b.requests).toHaveLength(1);
  });
  it('a repeated line in the list is a retry at the same target', async () => {
    a.next({ status: 500, json: {} }, { json: chatCompletion() });
    const call = chatCall();
    await (await run(call, 'm-a', 'm-a')).abandon();
    expect(call.journal.attempts.map((f) => [f.model, f.outcome])).toEqual([
      ['m-a', 'failed'],
      ['m-a', 'abandoned'],
    ]);
    // 401 would fail again the same way.
    a.next({ status: 401, json: {} });
    await failure(run(chatCall(), 'm-a', 'm-a'));
    expect(a.requests).toHaveLength(3);
  });
  it('waits for a short Retry-After before it repeats', async () => {
    a.next({ status: 429, json: {}, headers: { 'retry-after-ms': '60' } });
    const started = performance.now();
    const call = chatCall();
    await (await run(call, 'm-a', 'm-a')).abandon();
    expect(performance.now() - started).toBeGreaterThan(55);
    // Waiting for the upstream, not overhead of the gateway.
    expect(call.journal.upstreamMs).toBeGreaterThan(55);
  });
  it('ends at the total deadline, whatever is left in the list', async () => {
    await rebench({ routing: { deadline: '150ms' } });
    a.always({ hang: true });
    b.always({ hang: true });
    const started = performance.now();
    const error = await failure(run(chatCall(), 'm-a', 'm-b', 'm-a2'));
    expect(error.code).toBe('upstream_timeout');
    expect(performance.now() - started).toBeLessThan(3_000);
    expect(b.requests).toHaveLength(0);
    // The prompt that we cut short may have been billed.
    expect(error.bill).toMatchObject({ usage: { estimated: true, output: 0 } });
    expectAllGivenBack();
  });
  it('says so when there is no target or no provider', async () => {
    expect((await failure(run(chatCall()))).code).toBe('overloaded');
    const gone = { ...bench.target('m-a'), provider: 'gone' };
    expect((await failure(bench.runner.run(chatCall(), [gone]))).code).toBe('model_not_found');
  });
});

describe('chaos', () => {
  it('a stream cut at any byte is whole, replaced, or ends with an error: never silently short', async () => {
    await rebench({ routing: { breaker: { minCalls: 100_000 } } });
    const frames = chatChunks({ pieces: ['one ', 'two'] });
    const whole = 'one two';
    const length =
      frames.reduce((sum, f) => sum + `data: ${JSON.stringify(f)}\n\n`.length, 0) +
      'data: [DONE]\n\n'.length;
    const firstContent = frames
      .slice(0, 2)
      .reduce((sum, f) => sum + `data: ${JSON.stringify(f)}\n\n`.length, 0);
    b.always({ sse: chatChunks({ pieces: ['from b'] }) });
    for (let cut = 0; cut < length; cut++) {
      a.next({ sse: frames, cutAfterBytes: cut });
      const call = streaming();
      const { text, error, end } = await read(await run(call, 'm-a', 'm-b'));
      if (cut < firstContent) {
        expect([cut, text, end.outcome]).toEqual([cut, 'from b', 'completed']);
      } else if (error === undefined) {
        expect([cut, text, end.outcome]).toEqual([cut, whole, 'completed']);
      } else {
        expect([cut, whole.startsWith(text), end.outcome, error.code]).toEqual([
          cut,
          true,
          'failed',
          'upstream_error',
        ]);
        expect(end.usage.estimated).toBe(true);
      }
      expect(end.usage.output).toBeGreaterThan(0);
    }
    expectAllGivenBack();
  });
  it('retries add at most a fifth to the load of a provider that answers 500', async () => {
    await rebench({
      routing: { retryBudget: { ratio: 0.2, perSecond: 0 }, breaker: { minCalls: 100_000 } },
    });
    a.always({ status: 500, json: { error: { message: 'boom' } } });
    const calls = 200;
    for (let i = 0; i < calls; i += 20) {
      await Promise.all(
        Array.from({ length: 20 }, () => failure(run(chatCall(), 'm-a', 'm-a', 'm-a2'))),
      );
    }
    expect(a.requests.length / calls).toBeLessThanOrEqual(1.2);
    expect(a.requests.length).toBeGreaterThan(calls);
  });
  it('an open breaker lets exactly one probe through, however many calls come', async () => {
    await rebench({ routing: { breaker: { minCalls: 10, reset: '100ms', maxReset: '1s' } } });
    a.always({ status: 500, json: {} });
    for (let i = 0; i < 10; i++) await failure(run(chatCall(), 'm-a'));
    expect(bench.health.of(bench.target('m-a'))).toMatchObject({
      breaker: 'open',
      available: false,
      successRate: 0,
    });
    const refused = await failure(run(chatCall(), 'm-a'));
    expect(refused.code).toBe('overloaded');
    expect(refused.retryAfterMs).toBeGreaterThan(0);
    expect(a.requests).toHaveLength(10);
    await new Promise((resolve) => setTimeout(resolve, 110));
    a.always({ json: chatCompletion(), delayMs: 50 });
    const replies = await Promise.all(
      Array.from({ length: 30 }, () => run(chatCall(), 'm-a', 'm-b')),
    );
    for (const reply of replies) await reply.abandon();
    expect(a.requests).toHaveLength(11);
    expect(b.requests).toHaveLength(29);
    expect(bench.health.of(bench.target('m-a')).breaker).toBe('closed');
  });
  it('failures in the middle of streams open the breaker', async () => {
    a.always({
      sse: chatChunks({ pieces: ['x'.repeat(300), 'y'.repeat(300)] }),
      cutAfterBytes: 900,
    });
    for (let i = 0; i < 10; i++)
      expect((await read(await run(streaming(), 'm-a'))).error?.code).toBe('upstream_error');
    expect(bench.health.of(bench.target('m-a')).breaker).toBe('open');
  });
  it('a 429 cools the target down until its Retry-After', async () => {
    a.always({
      status: 429,
      json: { error: { message: 'slow down' } },
      headers: { 'retry-after': '20' },
    });
    expect((await failure(run(chatCall(), 'm-a'))).retryAfterMs).toBe(20_000);
    const told = await failure(run(chatCall(), 'm-a'));
    expect(told.code).toBe('rate_limited');
    expect(told.retryAfterMs).toBeGreaterThan(19_000);
    expect(a.requests).toHaveLength(1);
    expect(bench.health.of(bench.target('m-a'))).toMatchObject({
      breaker: 'closed',
      available: false,
    });
    // Its sibling at the same provider is another target.
    a.always(undefined);
    await (await run(chatCall(), 'm-a', 'm-a2')).abandon();
  });
});

describe('a caller who leaves', () => {
  it('closes the upstream within 100 ms before the answer, and pays at most the prompt', async () => {
    for (const stream of [true, false]) {
      a.reset();
      a.always({ hang: true });
      const leaving = new AbortController();
      const call = chatCall({ stream, signal: leaving.signal });
      const pending = failure(run(call, 'm-a', 'm-b'));
      while (a.requests.length === 0) await new Promise((resolve) => setImmediate(resolve));
      const at = performance.now();
      leaving.abort();
      const error = await pending;
      expect(error.code).toBe('client_closed');
      expect(error.bill).toMatchObject({ usage: { output: 0, estimated: true } });
      expect((await a.requests[0]!.closed) - at).toBeLessThan(100);
      expect(call.journal.attempts[0]).toMatchObject({ outcome: 'abandoned' });
      expect(b.requests).toHaveLength(0);
      expectAllGivenBack();
    }
    expect(bench.health.of(bench.target('m-a')).recentCalls).toBe(0);
  });
  it('closes the upstream within 100 ms in the middle of a stream, and pays what was streamed, marked', async () => {
    a.next({
      sse: chatChunks({ pieces: ['one ', 'two ', 'three'] }).slice(0, 3),
      done: false,
      hang: 'after',
    });
    const reply = await run(streaming(), 'm-a');
    const ends: ReplyEnd[] = [];
    reply.observe({ onEnd: (end) => ends.push(end) });
    let chunks = 0;
    for await (const _ of reply.chunks()) if (++chunks === 3) break;
    const at = performance.now();
    expect((await a.requests[0]!.closed) - at).toBeLessThan(100);
    expect(ends).toEqual([
      expect.objectContaining({
        outcome: 'abandoned',
        usage: expect.objectContaining({ output: 2, estimated: true }),
      }),
    ]);
    expectAllGivenBack();
  });
  it('gives everything back when the reply is never read', async () => {
    a.next({ sse: chatChunks(), hang: 'after', done: false });
    const reply = await run(streaming(), 'm-a');
    expect(bench.runner.load('a').running).toBe(1);
    await reply.abandon();
    await a.requests[0]!.closed;
    expectAllGivenBack();
  });
  it('frees his place in the queue', async () => {
    await rebench({ a: { maxConcurrent: 1 } });
    a.next({ json: chatCompletion(), delayMs: 80 });
    const first = run(chatCall(), 'm-a');
    while (bench.runner.load('a').running === 0)
      await new Promise((resolve) => setImmediate(resolve));
    const leaving = new AbortController();
    const second = failure(run(chatCall({ signal: leaving.signal }), 'm-a'));
    while (bench.runner.load('a').waiting === 0)
      await new Promise((resolve) => setImmediate(resolve));
    leaving.abort();
    expect(await second).toMatchObject({ code: 'client_closed', bill: undefined });
    expect(bench.runner.load('a').waiting).toBe(0);
    (await first).take();
    expectAllGivenBack();
  });
});

describe('slots', () => {
  it('never more than maxConcurrent at a provider, and everybody is served', async () => {
    await rebench({ a: { maxConcurrent: 3 } });
    a.always({ json: chatCompletion(), delayMs: 10 });
    await Promise.all(
      Array.from({ length: 12 }, async () => (await run(chatCall(), 'm-a')).take()),
    );
    expect(a.requests).toHaveLength(12);
    expect(a.peak).toBe(3);
    expectAllGivenBack();
  });
});

describe('the hold', () => {
  const hold = (parts: Partial<SpendHold>): SpendHold => ({
    cover: () => Promise.resolve(),
    sending: () => undefined,
    progress: () => 'go',
    ...parts,
  });

  it('is asked for every target before it is tried, and its refusal is final', async () => {
    const covered: string[] = [];
    const call = chatCall();
    call.hold = hold({
      cover: (target) => {
        covered.push(target.model);
        if (target.model === 'm-b')
          return Promise.reject(new GatewayError('budget_exhausted', 'spent'));
        return Promise.resolve();
      },
    });
    a.always({ status: 500, json: {} });
    expect((await failure(run(call, 'm-a', 'm-b', 'm-a2'))).code).toBe('budget_exhausted');
    expect(covered).toEqual(['m-a', 'm-b']);
    expect(a.requests).toHaveLength(1);
    expectAllGivenBack();
  });
  it('is told of every attempt that leaves for an upstream, and of none that does not', async () => {
    const told: string[] = [];
    const call = chatCall();
    call.hold = hold({
      sending: (target) => {
        told.push(`${target.model} after ${a.requests.length + b.requests.length}`);
      },
    });
    a.always({ status: 500, json: {} });
    b.always({ json: chatCompletion() });
    (await run(call, 'm-a', 'm-b')).take();
    expect(told).toEqual(['m-a after 0', 'm-b after 1']);
    const refused = chatCall();
    refused.hold = hold({
      sending: () => {
        throw new GatewayError('overloaded', 'the disk is full');
      },
    });
    expect((await failure(run(refused, 'm-b'))).code).toBe('overloaded');
    expect(b.requests).toHaveLength(1);
    expectAllGivenBack();
  });
  it('may find a prompt too long for one target and not for the next', async () => {
    const call = chatCall();
    call.hold = hold({
      cover: (target) =>
        target.model === 'm-a'
          ? Promise.reject(new GatewayError('context_too_long', 'long'))
          : Promise.resolve(),
    });
    (await run(call, 'm-a', 'm-b')).take();
    expect(a.requests).toHaveLength(0);
    expect((await failure(run(call, 'm-a'))).code).toBe('context_too_long');
  });
  it('ends a stream with finish reason length, at most one chunk over, and aborts the upstream', async () => {
    const pieces = Array.from({ length: 50 }, (_, i) => `word${i} `);
    a.next({ sse: chatChunks({ pieces }), frameDelayMs: 5 });
    const call = streaming();
    const seen: number[] = [];
    call.hold = hold({
      progress: (tokens) => {
        seen.push(tokens);
        return tokens >= 10 ? 'stop' : 'go';
      },
    });
    const { text, finishes, end } = await read(await run(call, 'm-a'));
    expect(finishes).toEqual(['length']);
    expect(seen).toEqual([...seen].sort((x, y) => x - y));
    expect(seen.at(-1)).toBeGreaterThanOrEqual(10);
    expect(seen.filter((tokens) => tokens >= 10)).toHaveLength(1);
    expect(text.split(' ').length).toBeLessThan(12);
    expect(end).toMatchObject({ outcome: 'completed', usage: { estimated: true } });
    expect(end.message!().choices[0]!.finish).toBe('length');
    await a.requests[0]!.closed;
    expect(a.requests[0]!.aborted).toBe(true);
    expectAllGivenBack();
  });
});

describe('time', () => {
  it('a stream that falls silent fails after the idle timeout', async () => {
    await rebench({ a: { idleTimeout: '60ms' } });
    a.next({ sse: chatChunks().slice(0, 2), done: false, hang: 'after' });
    const { text, error, end } = await read(await run(streaming(), 'm-a'));
    expect(text).toBe('Hello');
    expect(error?.code).toBe('upstream_timeout');
    expect(end.outcome).toBe('failed');
    await a.requests[0]!.closed;
    expectAllGivenBack();
  });
  it('a slow reader is not a silent upstream', async () => {
    await rebench({ a: { idleTimeout: '60ms' } });
    a.next({ sse: chatChunks({ pieces: ['a', 'b', 'c'] }) });
    const reply = await run(streaming(), 'm-a');
    let chunks = 0;
    for await (const _ of reply.chunks()) {
      if (++chunks === 2) await new Promise((resolve) => setTimeout(resolve, 150));
    }
    expect(chunks).toBe(6);
  });
});

describe('hedging', () => {
  beforeEach(() => rebench({ routing: { hedging: { enabled: true, after: '40ms' } } }));
  it('asks the next target when the first is slow, and drops the loser', async () => {
    a.always({ hang: true });
    const call = streaming();
    const { text, end } = await read(await run(call, 'm-a', 'm-a', 'm-b'));
    expect(text).toBe('Hello world');
    await a.requests[0]!.closed;
    expect(a.requests[0]!.aborted).toBe(true);
    expect(call.journal.attempts.map((f) => f.provider)).toEqual(['a', 'b']);
    // The loser's prompt may have been billed.
    expect(end.usage.input).toBeGreaterThan(9);
    expect(end.usage.estimated).toBe(true);
    expectAllGivenBack();
  });
  it('asks one target alone when it is quick, and both when both are slow', async () => {
    await (await run(chatCall(), 'm-a', 'm-b')).abandon();
    expect(b.requests).toHaveLength(0);
    a.always({ status: 500, json: {}, delayMs: 60 });
    b.always({ status: 500, json: { error: { message: 'b too' } }, delayMs: 30 });
    expect((await failure(run(chatCall(), 'm-a', 'm-b'))).message).toBe('b too');
    expectAllGivenBack();
  });
  it('goes on with the first when there is no other, or the hold forbids it', async () => {
    a.always({ json: chatCompletion(), delayMs: 80 });
    await (await run(chatCall(), 'm-a')).abandon();
    const call = chatCall();
    call.hold = {
      cover: (target) =>
        target.model === 'm-b'
          ? Promise.reject(new GatewayError('budget_exhausted', 'x'))
          : Promise.resolve(),
      sending: () => undefined,
      progress: () => 'go',
    };
    await (await run(call, 'm-a', 'm-b')).abandon();
    expect(b.requests).toHaveLength(0);
  });
});

describe('the house around it', () => {
  it('changes a provider while its calls run, without dropping them', async () => {
    a.next({ sse: chatChunks({ pieces: ['a', 'b', 'c', 'd'] }), frameDelayMs: 20 });
    const reply = await run(streaming(), 'm-a');
    bench.config.replace({ sluice: sluice({ a: { baseUrl: b.baseUrl } }) });
    (await run(chatCall(), 'm-a')).take();
    expect(b.requests).toHaveLength(1);
    expect((await read(reply)).text).toBe('abcd');
  });
  it('shows what happened in the metrics', async () => {
    await read(await run(streaming(), 'm-a'));
    a.next({ status: 500, json: {} });
    await failure(run(chatCall(), 'm-a'));
    const text = await bench.metrics.registry.metrics();
    expect(text).toContain('sluice_provider_latency_seconds_count{provider="a",model="m-a"} 2');
    expect(text).toContain('sluice_provider_tokens_total{direction="input"} 9');
    expect(text).toContain('sluice_provider_tokens_total{direction="output"} 2');
    expect(text).toContain('sluice_provider_errors_total{kind="upstream_error"} 1');
    expect(text).toContain('sluice_provider_inflight{provider="a"} 0');
    expect(text).toContain('sluice_breaker_state{provider="a",model="m-a"} 0');
    expect(bench.health.of(bench.target('m-a'))).toMatchObject({
      successRate: 0.5,
      recentCalls: 2,
      latencyEwmaMs: expect.any(Number),
      latencyP95Ms: expect.any(Number),
    });
  });
});
