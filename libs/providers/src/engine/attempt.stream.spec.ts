import { describe, expect, it } from '@jest/globals';
import { ChatChunk, GatewayError, type Progress } from '@sluice/kernel';
import { chatCall } from '../../testing/engine.bench.js';
import { AttemptGate } from './attempt.gate.js';
import { AttemptStream } from './attempt.stream.js';

const text = (chunk: ChatChunk | undefined): string | undefined =>
  chunk?.events.map((event) => (event.type === 'text' ? event.text : event.type)).join();

/** An upstream whose first chunk comes alone and whose others are here at once; an error is thrown in its turn. */
async function opened(
  items: readonly (string | Error)[],
  progress: (tokens: number) => Progress | Promise<Progress>,
): Promise<AttemptStream> {
  const left = [...items];
  const take = (): ChatChunk | undefined => {
    const item = left.shift();
    if (item instanceof Error) throw item;
    return item === undefined ? undefined : ChatChunk.of({ type: 'text', choice: 0, text: item });
  };
  const next = (): Promise<IteratorResult<ChatChunk>> => {
    const value = take();
    return Promise.resolve(value === undefined ? { done: true, value } : { done: false, value });
  };
  const chunks = { take, [Symbol.asyncIterator]: () => ({ next }) };
  const call = chatCall({ stream: true });
  call.hold = { cover: () => undefined, sending: () => undefined, progress };
  const stream = new AttemptStream(
    { kind: 'stream', chunks, usage: () => undefined },
    call,
    new AttemptGate(call.signal),
    { idleMs: 60_000, promptTokens: () => 1 },
  );
  await stream.open();
  return stream;
}

describe('the chunks of an attempt that are here already', () => {
  it('are taken without waiting, the first content included, and metered one by one', async () => {
    const told: number[] = [];
    const stream = await opened(['a', 'b', 'c'], (tokens) => {
      told.push(tokens);
      return 'go';
    });
    expect([stream.take(), stream.take(), stream.take(), stream.take()].map(text)).toEqual([
      'a',
      'b',
      'c',
      undefined,
    ]);
    expect(told).toEqual([1, 2, 3]);
    expect(await stream.next()).toEqual({ done: true, value: undefined });
    expect(stream.take()).toBeUndefined();
  });

  it('are waited for while the hold asks for more, and come in their order', async () => {
    const answers = [Promise.withResolvers<Progress>(), Promise.withResolvers<Progress>()];
    const stream = await opened(['a', 'b', 'c'], (tokens) => answers[tokens - 1]?.promise ?? 'go');
    expect(stream.take()).toBeUndefined();
    expect(stream.take()).toBeUndefined();
    const first = stream.next();
    answers[0]?.resolve('go');
    expect(text((await first).value)).toBe('a');
    const second = stream.next();
    answers[1]?.resolve('go');
    expect(text((await second).value)).toBe('b');
    expect(text(stream.take())).toBe('c');
  });

  it('are none once the budget is used up: next() tells the early end', async () => {
    const stream = await opened(['a', 'b', 'c'], (tokens) => (tokens < 2 ? 'go' : 'stop'));
    expect([stream.take(), stream.take(), stream.take()].map(text)).toEqual(['a', 'b', undefined]);
    const { value } = await stream.next();
    expect(value?.events).toMatchObject([{ type: 'finish', reason: 'length' }, { type: 'usage' }]);
    expect(stream.take()).toBeUndefined();
    expect(await stream.next()).toMatchObject({ done: true });
  });

  it('fail as next() would', async () => {
    const stream = await opened(['a', new GatewayError('upstream_error', 'boom')], () => 'go');
    stream.take();
    expect(() => stream.take()).toThrow('boom');
    expect(await stream.next()).toMatchObject({ done: true });
  });
});
