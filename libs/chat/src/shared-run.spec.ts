import { describe, expect, it } from '@jest/globals';
import {
  ChatCall,
  ChatChunk,
  ChatReply,
  GatewayError,
  SYSTEM_CALLER,
  usage,
  type ChatHandler,
  type ChatMessage,
  type ReplyEnd,
  type StopSignal,
  type Target,
} from '@sluice/kernel';
import { SharedRun } from './shared-run.js';
import { compose } from './compose.js';

const target = { model: 'm', provider: 'p' } as Target;
const bill = { usage: usage({ input: 1, output: 2 }), costMicroUsd: 5 };

function callOf(id: string, stream = true): { call: ChatCall; leave: () => void } {
  const client = new AbortController();
  const call = new ChatCall({
    id,
    caller: SYSTEM_CALLER,
    dialect: 'openai-chat',
    model: 'm',
    stream,
    body: {},
    signal: client.signal,
    parse: () => ({ messages: [] }),
  });
  return { call, leave: () => client.abort() };
}

/** An upstream that sends what the test hands it, when it hands it. */
class Faucet {
  runs = 0;
  closed = 0;
  signal: StopSignal | undefined;
  runCall: ChatCall | undefined;
  readonly #queue: (string | Error | null)[] = [];
  #wake: (() => void) | undefined;

  send(...items: (string | Error | null)[]): void {
    this.#queue.push(...items);
    this.#wake?.();
  }

  readonly handler: ChatHandler = async (call) => {
    this.runs++;
    this.signal = call.signal;
    this.runCall = call;
    await call.hold.cover(target);
    call.hold.sending(target);
    const next = async (): Promise<IteratorResult<ChatChunk>> => {
      while (this.#queue.length === 0) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      const item = this.#queue.shift();
      if (item instanceof Error) throw item;
      if (item === null || item === undefined) return { done: true, value: undefined };
      return { done: false, value: ChatChunk.of({ type: 'text', choice: 0, text: item }) };
    };
    const take = (): ChatChunk | undefined => {
      if (typeof this.#queue[0] !== 'string' && !(this.#queue[0] instanceof Error))
        return undefined;
      const item = this.#queue.shift();
      if (item instanceof Error) throw item;
      return ChatChunk.of({ type: 'text', choice: 0, text: item ?? '' });
    };
    return ChatReply.stream(
      {
        take,
        [Symbol.asyncIterator]: () => ({
          next,
          return: async () => {
            this.closed++;
            return { done: true, value: undefined };
          },
        }),
      },
      () => bill,
    );
  };
}

function textOfChunk(chunk: ChatChunk): string {
  return chunk.events.map((e) => (e.type === 'text' ? e.text : '')).join('');
}

async function readAll(reply: ChatReply): Promise<string> {
  let out = '';
  for await (const chunk of reply.chunks()) out += textOfChunk(chunk);
  return out;
}

function ended(reply: ChatReply): ReplyEnd[] {
  const ends: ReplyEnd[] = [];
  reply.observe({ onEnd: (end) => ends.push(end) });
  return ends;
}

describe('a run shared by identical calls', () => {
  it('asks the upstream once, gives everybody the whole stream, and charges the first', async () => {
    const tap = new Faucet();
    let over = 0;
    const a = callOf('a');
    const b = callOf('b');
    const run = new SharedRun(a.call, tap.handler, () => over++);
    const [first, second] = [await run.join(a.call), await run.join(b.call)];
    const [endA, endB] = [ended(first), ended(second)];
    tap.send('x', 'y', null);
    expect(await Promise.all([readAll(first), readAll(second)])).toEqual(['xy', 'xy']);
    expect(tap.runs).toBe(1);
    expect(over).toBe(1);
    expect(endA[0]?.costMicroUsd).toBe(5);
    expect(endB[0]).toMatchObject({ outcome: 'completed', costMicroUsd: 0 });
    expect(b.call.journal.cache?.verdict).toBe('coalesced');
    expect(a.call.journal.cache).toBeUndefined();
  });

  it('lets each reader take what is here, in one order, and nobody while another waits for more', async () => {
    const tap = new Faucet();
    const [a, b] = [callOf('a'), callOf('b')];
    const run = new SharedRun(a.call, tap.handler, () => undefined);
    const [first, second] = [(await run.join(a.call)).chunks(), (await run.join(b.call)).chunks()];
    const taken = (chunk: ChatChunk | undefined) =>
      chunk === undefined ? '-' : textOfChunk(chunk);
    expect(taken(first.take())).toBe('-');
    tap.send('x', 'y');
    expect([first, first, first].map((reader) => taken(reader.take()))).toEqual(['x', 'y', '-']);
    const waiting = first.next();
    tap.send('z');
    // On its way to the first reader: taking the next one now would overtake it.
    expect([second, second, second].map((r) => taken(r.take()))).toEqual(['x', 'y', '-']);
    expect(taken((await waiting).value)).toBe('z');
    expect(taken(second.take())).toBe('z');
    tap.send(new GatewayError('upstream_error', 'boom'));
    expect(first.take()).toBeUndefined();
    await expect(first.next()).rejects.toThrow('boom');
    await expect(second.next()).rejects.toThrow('boom');
  });

  it('gives a late joiner what was already sent', async () => {
    const tap = new Faucet();
    const a = callOf('a');
    const run = new SharedRun(a.call, tap.handler, () => undefined);
    const first = (await run.join(a.call)).chunks();
    tap.send('x', 'y');
    await first.next();
    await first.next();
    const late = await run.join(callOf('b').call);
    tap.send('z', null);
    expect(await readAll(late)).toBe('xyz');
    await first.return?.();
  });

  it('does not let a slow reader stall a fast one', async () => {
    const tap = new Faucet();
    const [a, b] = [callOf('a'), callOf('b')];
    const run = new SharedRun(a.call, tap.handler, () => undefined);
    const slow = await run.join(a.call);
    const fast = await run.join(b.call);
    tap.send('1', '2', '3', null);
    expect(await readAll(fast)).toBe('123');
    expect(await readAll(slow)).toBe('123');
  });

  it('keeps no more than it may: who is too far behind is sent away, and the others go on', async () => {
    const tap = new Faucet();
    const [a, b, c] = [callOf('a'), callOf('b'), callOf('c')];
    const run = new SharedRun(a.call, tap.handler, () => undefined, 2000);
    const slow = await run.join(a.call);
    const fast = await run.join(b.call);
    const [endSlow, endFast] = [ended(slow), ended(fast)];
    const stalled = slow.chunks();
    const reading = readAll(fast);
    expect(run.joinable).toBe(true);
    const pieces = Array.from({ length: 100 }, (_, i) => `${i},`);
    tap.send(...pieces, null);
    expect(await reading).toBe(pieces.join(''));
    await expect(stalled.next()).rejects.toMatchObject({ code: 'overloaded' });
    expect(run.joinable).toBe(false);
    expect(tap.signal?.aborted).toBe(false);
    expect(endSlow[0]).toMatchObject({ outcome: 'failed', costMicroUsd: 0 });
    expect(endFast[0]).toMatchObject({ outcome: 'completed', costMicroUsd: 5 });
    expect(c.call.journal.cache).toBeUndefined();
  });

  it('takes nobody new once it has let go of its beginning, and reads on for who is alone', async () => {
    const tap = new Faucet();
    const a = callOf('a');
    const run = new SharedRun(a.call, tap.handler, () => undefined, 2000);
    const reading = readAll(await run.join(a.call));
    const pieces = Array.from({ length: 100 }, (_, i) => `${i},`);
    tap.send(...pieces);
    while (run.joinable) await new Promise((resolve) => setImmediate(resolve));
    tap.send(null);
    expect(await reading).toBe(pieces.join(''));
  });

  it('goes on when the leader leaves, and charges the reader who is still there', async () => {
    const tap = new Faucet();
    const [a, b] = [callOf('a'), callOf('b')];
    const told: string[] = [];
    b.call.hold = {
      cover: async () => {
        told.push('covered');
      },
      sending: () => {
        told.push('sent');
      },
      progress: () => 'go',
    };
    const run = new SharedRun(a.call, tap.handler, () => undefined);
    const first = await run.join(a.call);
    const second = await run.join(b.call);
    const [endA, endB] = [ended(first), ended(second)];
    tap.send('x');
    const reading = first.chunks();
    await reading.next();
    await reading.return?.();
    expect(tap.signal?.aborted).toBe(false);
    // What it takes over has gone upstream already.
    await new Promise(setImmediate);
    expect(told).toEqual(['covered', 'sent']);
    tap.send('y', null);
    expect(await readAll(second)).toBe('xy');
    expect(endA[0]).toMatchObject({ outcome: 'abandoned', costMicroUsd: 0 });
    expect(endB[0]).toMatchObject({ outcome: 'completed', costMicroUsd: 5 });
  });

  it('aborts the upstream only when the last reader has left, who then pays for what was made', async () => {
    const tap = new Faucet();
    const [a, b] = [callOf('a'), callOf('b')];
    const run = new SharedRun(a.call, tap.handler, () => undefined);
    const first = await run.join(a.call);
    const second = await run.join(b.call);
    const [endA, endB] = [ended(first), ended(second)];
    await first.abandon();
    expect(tap.signal?.aborted).toBe(false);
    expect(run.joinable).toBe(true);
    await second.abandon();
    expect(tap.signal?.aborted).toBe(true);
    expect(tap.closed).toBe(1);
    expect(run.joinable).toBe(false);
    expect([endA[0]?.costMicroUsd, endB[0]?.costMicroUsd]).toEqual([0, 5]);
  });

  it('frees a caller who leaves while the upstream has not answered yet', async () => {
    const a = callOf('a');
    let aborted = false;
    const run = new SharedRun(
      a.call,
      (call) =>
        new Promise((_resolve, reject) => {
          call.signal.addEventListener('abort', () => {
            aborted = true;
            reject(new GatewayError('client_closed', 'left'));
          });
        }),
      () => undefined,
    );
    const joining = run.join(a.call);
    a.leave();
    await expect(joining).rejects.toMatchObject({ code: 'client_closed' });
    expect(aborted).toBe(true);
  });

  it('charges the last reader who leaves before the answer for what was sent upstream', async () => {
    const [a, b] = [callOf('a'), callOf('b')];
    const run = new SharedRun(
      a.call,
      (call) =>
        new Promise((_resolve, reject) => {
          call.signal.addEventListener('abort', () => {
            // The engine closes what it has opened before it tells the price.
            setImmediate(() => reject(new GatewayError('client_closed', 'left', { bill })));
          });
        }),
      () => undefined,
    );
    const [first, second] = [run.join(a.call), run.join(b.call)];
    a.leave();
    const refused: unknown = await first.catch((error: unknown) => error);
    b.leave();
    await expect(second).rejects.toMatchObject({ code: 'client_closed', bill });
    expect(refused).toMatchObject({ code: 'client_closed', bill: undefined });
  });

  it('closes and charges an answer that comes as the last reader leaves', async () => {
    const tap = new Faucet();
    const a = callOf('a');
    const run = new SharedRun(
      a.call,
      // Deaf to the signal, as an upstream is whose answer is on its way.
      (call) =>
        new Promise((resolve) => {
          call.signal.addEventListener('abort', () => resolve(tap.handler(call)));
        }),
      () => undefined,
    );
    const joining = run.join(a.call);
    a.leave();
    await expect(joining).rejects.toMatchObject({ code: 'client_closed', bill });
    expect(tap.closed).toBe(1);
  });

  it('tells every reader of a failure midway', async () => {
    const tap = new Faucet();
    const [a, b] = [callOf('a'), callOf('b')];
    const run = new SharedRun(a.call, tap.handler, () => undefined);
    const replies = [await run.join(a.call), await run.join(b.call)];
    tap.send('x', new GatewayError('upstream_error', 'cut'));
    const results = await Promise.allSettled(replies.map(readAll));
    expect(results.map((r) => r.status)).toEqual(['rejected', 'rejected']);
  });

  it('shares a finished message, charged once', async () => {
    const message: ChatMessage = {
      id: 'm',
      model: 'm',
      created: 1,
      choices: [],
      usage: bill.usage,
    };
    const [a, b] = [callOf('a', false), callOf('b', false)];
    const run = new SharedRun(
      a.call,
      async () => ChatReply.message(message, { bill }),
      () => undefined,
    );
    const replies = await Promise.all([run.join(a.call), run.join(b.call)]);
    const ends = replies.map(ended);
    expect(replies.map((r) => r.take())).toEqual([message, message]);
    expect(ends.map((e) => e[0]?.costMicroUsd)).toEqual([5, 0]);
  });

  it('passes a refusal on to everybody', async () => {
    const [a, b] = [callOf('a'), callOf('b')];
    const run = new SharedRun(
      a.call,
      () => Promise.reject(new GatewayError('overloaded', 'full')),
      () => undefined,
    );
    const results = await Promise.allSettled([run.join(a.call), run.join(b.call)]);
    expect(results.every((r) => r.status === 'rejected')).toBe(true);
  });
});

describe('compose', () => {
  it('runs interceptors from the outermost inwards', async () => {
    const order: string[] = [];
    const layer = (name: string) => ({
      around: (call: ChatCall, next: ChatHandler) => {
        order.push(name);
        return next(call);
      },
    });
    const run = compose([layer('a'), layer('b')], async () => ChatReply.message({} as ChatMessage));
    await run(callOf('x').call);
    expect(order).toEqual(['a', 'b']);
  });

  it('refuses an interceptor that calls next() twice', async () => {
    const twice = {
      around: async (call: ChatCall, next: ChatHandler) => {
        await next(call);
        return next(call);
      },
    };
    const run = compose([twice], async () => ChatReply.message({} as ChatMessage));
    await expect(run(callOf('x').call)).rejects.toThrow('twice');
  });
});
