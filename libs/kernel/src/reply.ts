import { asGatewayError, type GatewayError } from './error.js';
import type { ChatChunk, ChunkReader, ChunkSource, WireFrame } from './event.js';
import type { ChatMessage } from './message.js';
import type { MicroUsd } from './money.js';
import { NO_USAGE, type Usage } from './usage.js';

export type Outcome = 'completed' | 'failed' | 'abandoned';

/** What a reply came to. `usage` and `cost` are what must be paid for: zero for hits and coalesced followers. */
export interface ReplyEnd {
  readonly outcome: Outcome;
  readonly usage: Usage;
  readonly costMicroUsd: MicroUsd;
  /** The whole answer, assembled on demand; undefined unless the outcome is `completed`. */
  readonly message?: () => ChatMessage;
  readonly error?: GatewayError;
}

/** What a source knows about its own end, asked for once, when the reply has ended. */
export interface Bill {
  readonly usage: Usage;
  readonly costMicroUsd: MicroUsd;
  readonly message?: () => ChatMessage;
}

export interface ReplyObserver {
  /** Called for every chunk, in order, before it goes to the caller. Must not throw and must be quick. */
  onChunk?(chunk: ChatChunk): void;
  /** Called exactly once, however the reply ends. */
  onEnd?(end: ReplyEnd): void;
}

/** The upstream's or cache's JSON body, kept for same-dialect callers. */
export interface WireBody {
  readonly dialect: WireFrame['dialect'];
  readonly body: Readonly<Record<string, unknown>>;
  /** `body` as JSON text, where somebody has it already: saves serialising it again. */
  readonly json?: string;
}

interface MessageSource {
  readonly kind: 'message';
  readonly message: ChatMessage;
  readonly wire?: WireBody;
  readonly bill?: Omit<Bill, 'message'>;
}

interface StreamSource {
  readonly kind: 'stream';
  readonly chunks: ChunkSource;
  readonly bill: (outcome: Outcome) => Bill;
}

const NOTHING: Bill = Object.freeze({ usage: NO_USAGE, costMicroUsd: 0 });

/**
 * One answer: a finished message or a stream, never both. Rooms add observers; whoever owns the caller's
 * side reads it once with {@link chunks} or {@link take}, or drops it with {@link abandon}. Every observer's `onEnd` then
 * runs exactly once, in the order of addition: the innermost room first.
 */
export class ChatReply {
  readonly #source: MessageSource | StreamSource;
  readonly #observers: ReplyObserver[] = [];
  #iterator: AsyncIterator<ChatChunk> | undefined;
  #ended = false;
  #started = false;

  private constructor(source: MessageSource | StreamSource) {
    this.#source = source;
  }

  static message(
    message: ChatMessage,
    options: { readonly wire?: WireBody; readonly bill?: Omit<Bill, 'message'> } = {},
  ): ChatReply {
    return new ChatReply({ kind: 'message', message, ...options });
  }

  /**
   * @param bill asked once at the end; for an interrupted stream it estimates and marks.
   */
  static stream(chunks: ChunkSource, bill: (outcome: Outcome) => Bill): ChatReply {
    return new ChatReply({ kind: 'stream', chunks, bill });
  }

  get kind(): 'message' | 'stream' {
    return this.#source.kind;
  }

  get wire(): WireBody | undefined {
    return this.#source.kind === 'message' ? this.#source.wire : undefined;
  }

  /** The finished message without ending the reply; undefined on streams. */
  peek(): ChatMessage | undefined {
    return this.#source.kind === 'message' ? this.#source.message : undefined;
  }

  get ended(): boolean {
    return this.#ended;
  }

  observe(observer: ReplyObserver): this {
    this.#observers.push(observer);
    return this;
  }

  /** Takes the finished message and ends the reply as completed. Only for `kind === 'message'`. */
  take(): ChatMessage {
    const message = this.peek();
    if (message === undefined) throw new TypeError('take() on a stream');
    this.#end('completed');
    return message;
  }

  /** Reads the stream, once. Leaving the loop early ends the reply as abandoned. */
  chunks(): ChunkReader {
    const source = this.#source;
    if (source.kind === 'message') throw new TypeError('chunks() on a message');
    if (this.#started) throw new TypeError('a reply can be read only once');
    this.#started = true;
    const iterator = source.chunks[Symbol.asyncIterator]();
    this.#iterator = iterator;
    // A hand-written iterator: a generator that gets return() before its first next() never runs its finally.
    const self: ChunkReader = {
      [Symbol.asyncIterator]: () => self,
      take: () => {
        if (this.#ended) return undefined;
        try {
          const chunk = source.chunks.take?.();
          if (chunk !== undefined) this.#tell(chunk);
          return chunk;
        } catch (error) {
          throw this.#failed(error);
        }
      },
      next: async () => {
        if (this.#ended) return { done: true, value: undefined };
        try {
          const step = await iterator.next();
          // abandon() may have ended the reply while we waited.
          if (this.ended) return { done: true, value: undefined };
          if (step.done === true) {
            this.#end('completed');
            return { done: true, value: undefined };
          }
          this.#tell(step.value);
          return { done: false, value: step.value };
        } catch (error) {
          if (this.ended) return { done: true, value: undefined };
          throw this.#failed(error);
        }
      },
      return: async () => {
        await this.abandon();
        return { done: true, value: undefined };
      },
    };
    return self;
  }

  /** Ends the reply without (further) reading: the caller left, or a room failed after the reply was made. */
  async abandon(error?: GatewayError): Promise<void> {
    if (this.#ended) return;
    this.#end(error === undefined ? 'abandoned' : 'failed', error);
    if (this.#source.kind === 'message') return;
    const iterator = this.#iterator ?? this.#source.chunks[Symbol.asyncIterator]();
    // The source frees its socket in return(); its own failure there changes nothing for anybody.
    await iterator.return?.().catch(() => undefined);
  }

  #tell(chunk: ChatChunk): void {
    for (const observer of this.#observers) observer.onChunk?.(chunk);
  }

  #failed(error: unknown): GatewayError {
    const failure = asGatewayError(error);
    this.#end('failed', failure);
    return failure;
  }

  #bill(outcome: Outcome): Bill {
    const source = this.#source;
    if (source.kind === 'stream') return source.bill(outcome);
    const { usage, costMicroUsd } = source.bill ?? NOTHING;
    return { usage, costMicroUsd, message: () => source.message };
  }

  #end(outcome: Outcome, error?: GatewayError): void {
    if (this.#ended) return;
    this.#ended = true;
    const { usage, costMicroUsd, message } = this.#bill(outcome);
    const end: ReplyEnd = {
      outcome,
      usage,
      costMicroUsd,
      ...(message !== undefined && outcome === 'completed' ? { message } : {}),
      ...(error === undefined ? {} : { error }),
    };
    for (const observer of this.#observers) {
      try {
        observer.onEnd?.(end);
      } catch (thrown) {
        // One room's fault must not keep the others from giving back what they hold.
        queueMicrotask(() => {
          process.emitWarning(`An observer of a reply failed: ${String(thrown)}`, {
            code: 'SLUICE_OBSERVER',
            detail: (thrown as { stack?: string } | null)?.stack ?? '',
          });
        });
      }
    }
  }
}
