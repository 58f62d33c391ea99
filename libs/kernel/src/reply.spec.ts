import { describe, expect, it } from '@jest/globals';
import { ChatChunk } from './event.js';
import { GatewayError } from './error.js';
import type { ChatMessage } from './message.js';
import { ChatReply, type ReplyEnd } from './reply.js';
import { settled, type Settlement } from './settled.js';
import { NO_USAGE, usage } from './usage.js';

const message: ChatMessage = { id: 'm', model: 'x', created: 1, choices: [], usage: NO_USAGE };
const paid = { usage: usage({ input: 3, output: 4 }), costMicroUsd: 7 };

function source(texts: readonly string[], fail?: Error) {
  const log = { returned: 0 };
  const chunks: AsyncIterable<ChatChunk> = {
    [Symbol.asyncIterator]: () => {
      let at = 0;
      return {
        next: async () => {
          const text = texts[at++];
          if (text !== undefined) {
            return { done: false, value: ChatChunk.of({ type: 'text', choice: 0, text }) };
          }
          if (fail !== undefined) throw fail;
          return { done: true, value: undefined };
        },
        return: async () => {
          log.returned++;
          return { done: true, value: undefined };
        },
      };
    },
  };
  return { chunks, log };
}

function watched(reply: ChatReply): { ends: ReplyEnd[]; seen: string[] } {
  const record = { ends: [] as ReplyEnd[], seen: [] as string[] };
  reply.observe({
    onChunk: (chunk) => {
      for (const e of chunk.events) if (e.type === 'text') record.seen.push(e.text);
    },
    onEnd: (end) => record.ends.push(end),
  });
  return record;
}

describe('ChatReply', () => {
  it('ends a taken message once, as completed, with its bill', () => {
    const reply = ChatReply.message(message, { bill: paid });
    const { ends } = watched(reply);
    expect(reply.take()).toBe(message);
    expect(reply.take()).toBe(message);
    expect(ends).toHaveLength(1);
    expect(ends[0]).toMatchObject({ outcome: 'completed', costMicroUsd: 7 });
    expect(ends[0]?.message?.()).toBe(message);
  });

  it('shows every chunk to observers before the reader gets it, and ends as completed', async () => {
    const { chunks } = source(['a', 'b']);
    const reply = ChatReply.stream(chunks, () => paid);
    const record = watched(reply);
    let read = '';
    for await (const chunk of reply.chunks()) {
      for (const e of chunk.events) if (e.type === 'text') read += e.text;
      expect(record.seen.join('')).toBe(read);
    }
    expect(record.ends.map((e) => e.outcome)).toEqual(['completed']);
  });

  it('ends as failed, with the error, when the source fails midway', async () => {
    const { chunks } = source(['a'], new GatewayError('upstream_error', 'gone'));
    const reply = ChatReply.stream(chunks, () => paid);
    const { ends } = watched(reply);
    await expect(
      (async () => {
        for await (const _ of reply.chunks());
      })(),
    ).rejects.toThrow('gone');
    expect(ends).toHaveLength(1);
    expect(ends[0]).toMatchObject({ outcome: 'failed', error: { code: 'upstream_error' } });
  });

  it('ends as abandoned and frees the source when the reader leaves midway', async () => {
    const { chunks, log } = source(['a', 'b', 'c']);
    const reply = ChatReply.stream(chunks, () => paid);
    const { ends } = watched(reply);
    for await (const _ of reply.chunks()) break;
    expect(ends.map((e) => e.outcome)).toEqual(['abandoned']);
    expect(log.returned).toBe(1);
  });

  it('ends and frees the source also when nobody ever pulled', async () => {
    const { chunks, log } = source(['a']);
    const reply = ChatReply.stream(chunks, () => paid);
    const { ends } = watched(reply);
    await reply.abandon();
    await reply.abandon();
    expect(ends.map((e) => e.outcome)).toEqual(['abandoned']);
    expect(log.returned).toBe(1);
  });

  it('lets every observer give back what it holds although one of them throws', () => {
    const reply = ChatReply.message(message);
    reply.observe({
      onEnd: () => {
        throw new Error('a fault in a room');
      },
    });
    const { ends } = watched(reply);
    reply.take();
    expect(ends).toHaveLength(1);
  });

  it('can be read only once', () => {
    const { chunks } = source([]);
    const reply = ChatReply.stream(chunks, () => paid);
    reply.chunks();
    expect(() => reply.chunks()).toThrow('only once');
    expect(() => reply.take()).toThrow('stream');
    expect(() => ChatReply.message(message).chunks()).toThrow('message');
  });
});

describe('chunks that are here already', () => {
  /** A source that has all of its texts at once; an error is thrown in its turn. */
  const ready = (...items: (string | Error)[]) => {
    const left = [...items];
    const take = (): ChatChunk | undefined => {
      const item = left.shift();
      if (item instanceof Error) throw item;
      return item === undefined ? undefined : ChatChunk.of({ type: 'text', choice: 0, text: item });
    };
    return { take, ...source([]).chunks };
  };

  it('are taken without waiting, seen by every observer, and end with next()', async () => {
    const reply = ChatReply.stream(ready('a', 'b'), () => paid);
    const record = watched(reply);
    const chunks = reply.chunks();
    expect([chunks.take(), chunks.take()].map((chunk) => chunk?.events)).toMatchObject([
      [{ text: 'a' }],
      [{ text: 'b' }],
    ]);
    expect(chunks.take()).toBeUndefined();
    expect(record.ends).toEqual([]);
    expect(await chunks.next()).toMatchObject({ done: true });
    expect(record.seen).toEqual(['a', 'b']);
    expect(record.ends).toMatchObject([{ outcome: 'completed' }]);
  });

  it('fail the reply when the source fails, and are none after its end', async () => {
    const failing = ChatReply.stream(ready('a', new Error('x')), () => paid);
    const record = watched(failing);
    const chunks = failing.chunks();
    chunks.take();
    expect(() => chunks.take()).toThrow(GatewayError);
    expect(record.ends).toMatchObject([{ outcome: 'failed' }]);
    const left = ChatReply.stream(ready('a'), () => paid);
    const reader = left.chunks();
    await left.abandon();
    expect(reader.take()).toBeUndefined();
  });

  it('are not there for a source that knows only next()', () => {
    expect(
      ChatReply.stream(source(['a']).chunks, () => paid)
        .chunks()
        .take(),
    ).toBeUndefined();
  });
});

describe('settled()', () => {
  const ways: [string, () => Promise<ChatReply>, (r: ChatReply) => Promise<unknown>, string][] = [
    [
      'completed',
      async () => ChatReply.stream(source(['a']).chunks, () => paid),
      async (r) => {
        for await (const _ of r.chunks());
      },
      'completed',
    ],
    ['taken', async () => ChatReply.message(message), async (r) => r.take(), 'completed'],
    [
      'failed after the first event',
      async () => ChatReply.stream(source(['a'], new Error('x')).chunks, () => paid),
      async (r) => {
        for await (const _ of r.chunks());
      },
      'failed',
    ],
    [
      'left before the first pull',
      async () => ChatReply.stream(source(['a']).chunks, () => paid),
      (r) => r.abandon(),
      'abandoned',
    ],
    [
      'left midway',
      async () => ChatReply.stream(source(['a', 'b']).chunks, () => paid),
      async (r) => {
        for await (const _ of r.chunks()) break;
      },
      'abandoned',
    ],
  ];
  it.each(ways)(
    'gives back exactly once when the reply is %s',
    async (_name, make, use, outcome) => {
      const given: Settlement[] = [];
      const reply = await settled(make, (s) => given.push(s));
      await use(reply).catch(() => undefined);
      await reply.abandon();
      expect(given).toHaveLength(1);
      expect(given[0]).toMatchObject({ kind: 'ended', end: { outcome } });
    },
  );

  it('gives back when the next refuses before a reply exists', async () => {
    const given: Settlement[] = [];
    const refusal = new GatewayError('overloaded', 'no');
    await expect(
      settled(
        () => Promise.reject(refusal),
        (s) => given.push(s),
      ),
    ).rejects.toBe(refusal);
    expect(given).toEqual([{ kind: 'refused', error: refusal }]);
  });

  it('gives back when the next throws instead of answering', async () => {
    const given: Settlement[] = [];
    const fault = new TypeError('a fault in a room');
    const use = (): never => {
      throw fault;
    };
    await expect(settled(use, (s) => given.push(s))).rejects.toBe(fault);
    expect(given).toEqual([{ kind: 'refused', error: fault }]);
  });
});
