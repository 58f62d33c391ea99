import { afterEach, describe, expect, it } from '@jest/globals';
import { setImmediate as turn } from 'node:timers/promises';
import type { WireStream } from '@sluice/chat';
import {
  ChatCall,
  ChatChunk,
  ChatReply,
  GatewayError,
  NO_USAGE,
  SYSTEM_CALLER,
  type Outcome,
} from '@sluice/kernel';
import { SseStream } from './sse.stream.js';

const call = (): ChatCall =>
  new ChatCall({
    id: 'r1',
    caller: SYSTEM_CALLER,
    dialect: 'openai-chat',
    model: 'm',
    stream: true,
    body: {},
    signal: new AbortController().signal,
    parse: () => ({ messages: [] }),
  });

const WIRE: WireStream = {
  chunk: ({ frame }) => (frame === undefined ? '' : `data: ${frame.data}\n\n`),
  heartbeat: () => ': ping\n\n',
  end: () => 'data: [DONE]\n\n',
  error: (error) => `data: ${error.code}\n\n`,
};

/** Chunks that a test hands out, one array as one piece of the network. */
class Source {
  pulled = 0;
  outcome: Outcome | undefined;
  #ready: string[] = [];
  #wake: (() => void) | undefined;
  #over = false;

  push(...texts: string[]): void {
    this.#ready.push(...texts);
    this.#wake?.();
  }
  end(): void {
    this.#over = true;
    this.#wake?.();
  }
  reply(): ChatReply {
    return ChatReply.stream(this.#chunks(), (outcome) => {
      this.outcome = outcome;
      return { usage: NO_USAGE, costMicroUsd: 0 };
    });
  }
  async *#chunks(): AsyncGenerator<ChatChunk> {
    for (;;) {
      const data = this.#ready.shift();
      if (data !== undefined) {
        this.pulled++;
        yield ChatChunk.framed({ dialect: 'openai-chat', data }, []);
      } else if (this.#over) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

let streams: SseStream[] = [];
afterEach(() => {
  for (const stream of streams) stream.destroy();
  streams = [];
});

function stream(source: Source): { readonly stream: SseStream; readonly pieces: string[] } {
  const made = new SseStream(call(), source.reply(), WIRE, {
    heartbeatMs: 60_000,
    extra: undefined,
  });
  streams.push(made);
  return { stream: made, pieces: [] };
}
function reading(source: Source): { readonly stream: SseStream; readonly pieces: string[] } {
  const read = stream(source);
  read.stream.on('data', (bytes: Buffer) => read.pieces.push(bytes.toString()));
  return read;
}
async function turns(): Promise<void> {
  for (let i = 0; i < 10; i++) await turn();
}

describe('SseStream', () => {
  it('writes what came together as one piece, and what came apart at once', async () => {
    const source = new Source();
    const { pieces } = reading(source);
    source.push('a', 'b', 'c');
    await turns();
    expect(pieces).toEqual(['data: a\n\ndata: b\n\ndata: c\n\n']);
    source.push('d');
    await turns();
    expect(pieces.slice(1)).toEqual(['data: d\n\n']);
    source.end();
    await turns();
    expect(pieces.slice(2)).toEqual(['data: [DONE]\n\n']);
    expect(source.outcome).toBe('completed');
  });

  it('stops pulling when nobody reads, and loses nothing when somebody does', async () => {
    const source = new Source();
    const { stream: unread } = stream(source);
    const texts = Array.from({ length: 40 }, (_, i) => `${i} `.padEnd(8 * 1024, 'x'));
    source.push(...texts);
    source.end();
    unread.read(0);
    await turns();
    expect(source.pulled).toBeLessThan(12);
    let all = '';
    for await (const piece of unread) all += String(piece);
    expect(all).toBe(`${texts.map((text) => `data: ${text}\n\n`).join('')}data: [DONE]\n\n`);
  });

  it('ends with an error frame when it is interrupted, and says nothing after its end', async () => {
    const source = new Source();
    const { stream: live, pieces } = reading(source);
    source.push('a');
    await turns();
    live.interrupt(new GatewayError('overloaded', 'The gateway is shutting down.'));
    live.interrupt(new GatewayError('overloaded', 'Again.'));
    await turns();
    expect(pieces.join('')).toBe('data: a\n\ndata: overloaded\n\n');
    expect(source.outcome).toBe('failed');
  });

  it('abandons the reply when the client leaves, with what was not sent', async () => {
    const source = new Source();
    const { stream: live, pieces } = reading(source);
    await turns();
    source.push('a');
    live.destroy();
    await turns();
    expect(pieces).toEqual([]);
    expect(source.outcome).toBe('abandoned');
  });
});
