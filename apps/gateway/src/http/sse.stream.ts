import { Readable } from 'node:stream';
import { asGatewayError, type ChatCall, type ChatReply, type ChunkReader } from '@sluice/kernel';
import type { WireStream } from '@sluice/chat';

export interface SseOptions {
  readonly heartbeatMs: number;
  /** The `sluice` field of the last usage event, asked when the stream has ended; undefined when not wanted. */
  readonly extra: (() => Readonly<Record<string, unknown>>) | undefined;
}

/**
 * A reply's stream as SSE bytes, pulled by the socket's own back-pressure. Silence is filled with heartbeats;
 * a failure ends with the dialect's error frame; a client that leaves abandons the reply.
 */
export class SseStream extends Readable {
  readonly #chunks: ChunkReader;
  readonly #heartbeat: NodeJS.Timeout;
  #pulling = false;
  /** The socket is behind: nothing is pulled until it asks for more. */
  #full = false;
  #over = false;
  #unsent = '';

  constructor(
    private readonly call: ChatCall,
    private readonly reply: ChatReply,
    private readonly wire: WireStream,
    private readonly options: SseOptions,
  ) {
    super({ highWaterMark: 64 * 1024 });
    this.#chunks = reply.chunks();
    this.#heartbeat = setTimeout(() => {
      this.#beat();
    }, options.heartbeatMs);
  }

  override _read(): void {
    this.#full = false;
    if (!this.#pulling) void this.#pull();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    clearTimeout(this.#heartbeat);
    void this.reply.abandon();
    callback(error);
  }

  /** Ends a live stream with an error frame; used when the server must go. */
  interrupt(error: unknown): void {
    if (this.destroyed || this.#over) return;
    const failure = asGatewayError(error);
    this.call.journal.error = failure;
    this.#end(this.wire.error(failure, this.call.id));
    void this.reply.abandon(failure);
  }

  async #pull(): Promise<void> {
    this.#pulling = true;
    try {
      while (!this.#full) {
        const here = this.#chunks.take();
        const step = here === undefined ? await this.#chunks.next() : undefined;
        if (this.destroyed || this.#over) return;
        if (step?.done === true) {
          this.#end(this.wire.end(this.options.extra?.()));
          return;
        }
        const chunk = here ?? step?.value;
        if (chunk === undefined) continue;
        const text = this.wire.chunk(chunk);
        if (text === '') continue;
        this.call.journal.firstTokenAt ??= performance.now();
        this.#heartbeat.refresh();
        this.#write(text);
      }
    } catch (error) {
      if (this.destroyed || this.#over) return;
      const failure = asGatewayError(error);
      this.call.journal.error = failure;
      this.#end(this.wire.error(failure, this.call.id));
    } finally {
      this.#pulling = false;
    }
  }

  /**
   * What an upstream sent in one piece goes out in one piece: its frames follow each other as microtasks, and the next
   * tick comes after all of them.
   */
  #write(text: string): void {
    if (this.#unsent === '') process.nextTick(this.#flush);
    this.#unsent += text;
    if (this.#unsent.length >= this.readableHighWaterMark) this.#flush();
  }

  readonly #flush = (): void => {
    const text = this.#unsent;
    if (text === '' || this.destroyed) return;
    this.#unsent = '';
    if (!this.push(text)) this.#full = true;
  };

  #end(text: string): void {
    this.#over = true;
    clearTimeout(this.#heartbeat);
    this.#unsent += text;
    this.#flush();
    this.push(null);
  }

  #beat(): void {
    if (this.destroyed || this.#over) return;
    this.#write(this.wire.heartbeat());
    this.#heartbeat.refresh();
  }
}
