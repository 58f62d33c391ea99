import { afterAll, afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  ChatChunk,
  GatewayError,
  asGatewayError,
  usage,
  type ChatCall,
  type ReplyEnd,
} from '@sluice/kernel';
import { ProviderAdapter, type ProviderAnswer } from '../provider-adapter.js';
import { chatCall, engineBench, type EngineBench } from '../../testing/engine.bench.js';

/** An adapter that does what the test says; everything around it is real. */
class PuppetAdapter extends ProviderAdapter {
  script: (call: ChatCall, signal: AbortSignal) => Promise<ProviderAnswer> = () =>
    Promise.reject(new Error('no script'));
  closed = 0;
  returned = 0;
  override chat(call: ChatCall, _target: unknown, signal: AbortSignal): Promise<ProviderAnswer> {
    return this.script(call, signal);
  }
  override close(): Promise<void> {
    this.closed++;
    return Promise.resolve();
  }
  /** A stream of these steps; an error is thrown, 'hang' waits for ever. */
  stream(...steps: (string | Error)[]): ProviderAnswer {
    const left = [...steps];
    const chunks: AsyncIterableIterator<ChatChunk> = {
      [Symbol.asyncIterator]: () => chunks,
      next: () => {
        const step = left.shift();
        if (step === undefined) return Promise.resolve({ done: true, value: undefined });
        if (step instanceof Error) return Promise.reject(step);
        if (step === 'hang') return new Promise(() => undefined);
        return Promise.resolve({
          done: false,
          value: ChatChunk.of({ type: 'text', choice: 0, text: step }),
        });
      },
      return: () => {
        this.returned++;
        return Promise.resolve({ done: true, value: undefined });
      },
    };
    return { kind: 'stream', chunks, usage: () => undefined };
  }
  message(): ProviderAnswer {
    return {
      kind: 'message',
      message: {
        id: 'x',
        model: 'x',
        created: 0,
        choices: [],
        usage: usage({ input: 3, output: 4 }),
      },
    };
  }
}

const upstreamError = new GatewayError('upstream_error', 'boom');
let bench: EngineBench;
let puppet: PuppetAdapter;
let released: number;
const benches: EngineBench[] = [];

beforeEach(() => {
  bench = engineBench({
    providers: [{ id: 'p', kind: 'sandbox', maxConcurrent: 1 }],
    models: [{ id: 'm', provider: 'p', price: { input: 1, output: 1 } }],
  });
  benches.push(bench);
  puppet = new PuppetAdapter();
  released = 0;
  bench.registry.lease = () =>
    Promise.resolve({
      adapter: puppet,
      release: () => {
        released++;
      },
    });
});
afterEach(() => {
  expect(bench.runner.load('p')).toEqual({ running: 0, waiting: 0 });
  expect(bench.health.of(bench.target('m')).inflight).toBe(0);
  expect(released).toBe(1);
});
afterAll(async () => {
  await Promise.all(benches.map((each) => each.close()));
});
const recent = (): { calls: number; successRate: number } => {
  const view = bench.health.of(bench.target('m'));
  return { calls: view.recentCalls, successRate: view.successRate };
};
const run = (call: ChatCall) => bench.runner.run(call, [bench.target('m')]);

/** Every way a call can end × what it is: the slot, the breaker's permit and the lease come back exactly once. */
describe('whatever an attempt takes is given back exactly once', () => {
  it('completed message', async () => {
    puppet.script = () => Promise.resolve(puppet.message());
    const ends: ReplyEnd[] = [];
    const reply = (await run(chatCall())).observe({ onEnd: (end) => ends.push(end) });
    expect(bench.runner.load('p').running).toBe(1);
    reply.take();
    await reply.abandon();
    expect(ends).toHaveLength(1);
    expect(recent()).toEqual({ calls: 1, successRate: 1 });
  });
  it('completed stream', async () => {
    puppet.script = () => Promise.resolve(puppet.stream('a', 'b'));
    const reply = await run(chatCall({ stream: true }));
    expect(recent().calls).toBe(0);
    for await (const _ of reply.chunks());
    await reply.abandon();
    expect(recent()).toEqual({ calls: 1, successRate: 1 });
  });
  it('failed before the first event, by the adapter or by its stream', async () => {
    puppet.script = () => Promise.reject(upstreamError);
    await expect(run(chatCall())).rejects.toBe(upstreamError);
    expect(recent()).toEqual({ calls: 1, successRate: 0 });
    puppet.script = () => Promise.resolve(puppet.stream(upstreamError));
    await expect(run(chatCall({ stream: true }))).rejects.toBe(upstreamError);
    expect(recent().calls).toBe(2);
    expect(puppet.returned).toBe(1);
    released--;
  });
  it('failed by a fault of ours, which says nothing about the upstream', async () => {
    puppet.script = () => Promise.reject(new TypeError('bug'));
    await expect(run(chatCall())).rejects.toMatchObject({ code: 'internal' });
    expect(recent().calls).toBe(0);
  });
  it('failed after the first event', async () => {
    puppet.script = () => Promise.resolve(puppet.stream('a', upstreamError));
    const reply = await run(chatCall({ stream: true }));
    await expect(
      (async () => {
        for await (const _ of reply.chunks());
      })(),
    ).rejects.toBe(upstreamError);
    expect(recent()).toEqual({ calls: 1, successRate: 0 });
  });
  it('left before the first pull', async () => {
    puppet.script = () => Promise.resolve(puppet.stream('a', 'hang'));
    const reply = await run(chatCall({ stream: true }));
    await reply.abandon();
    await reply.abandon();
    expect(puppet.returned).toBe(1);
    expect(recent().calls).toBe(0);
  });
  it('left midway, while the upstream says nothing', async () => {
    puppet.script = () => Promise.resolve(puppet.stream('a', 'hang'));
    const reply = await run(chatCall({ stream: true }));
    const chunks = reply.chunks();
    await chunks.next();
    const waiting = chunks.next();
    await chunks.return?.();
    expect(await waiting).toEqual({ done: true, value: undefined });
    expect(recent().calls).toBe(0);
  });
  it('left before the answer, by an adapter that ignores its signal and answers late', async () => {
    const leaving = new AbortController();
    const late = Promise.withResolvers<ProviderAnswer>();
    puppet.script = () => late.promise;
    const pending = run(chatCall({ stream: true, signal: leaving.signal }));
    await new Promise((resolve) => setImmediate(resolve));
    leaving.abort();
    await expect(pending).rejects.toMatchObject({ code: 'client_closed' });
    late.resolve(puppet.stream('a'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(puppet.returned).toBe(1);
    expect(recent().calls).toBe(0);
  });
  it('left before it began', async () => {
    await expect(run(chatCall({ signal: AbortSignal.abort() }))).rejects.toMatchObject({
      code: 'client_closed',
    });
    expect(recent().calls).toBe(0);
    expect(released).toBe(0);
    released = 1;
  });
  it('refused by a room further in, after the reply was made', async () => {
    puppet.script = () => Promise.resolve(puppet.stream('a'));
    const reply = await run(chatCall({ stream: true }));
    await reply.abandon(asGatewayError(new Error('another room failed')));
    expect(recent().calls).toBe(0);
  });
});
