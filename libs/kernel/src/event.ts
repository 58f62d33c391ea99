import type { Usage } from './usage.js';

/** Why a choice ended. `length` includes an answer cut by a budget. */
export type FinishReason =
  'stop' | 'length' | 'tool_calls' | 'content_filter' | 'refusal' | 'pause';

/** One thing that happened in an answer, in the neutral form. `choice` counts from 0. */
export type ChatEvent =
  | {
      readonly type: 'start';
      readonly id: string;
      readonly model: string;
      readonly created?: number;
    }
  | {
      readonly type: 'text';
      readonly choice: number;
      readonly text: string;
      readonly logprobs?: unknown;
    }
  | { readonly type: 'refusal'; readonly choice: number; readonly text: string }
  | {
      readonly type: 'reasoning';
      readonly choice: number;
      readonly text: string;
      readonly signature?: string;
      readonly redacted?: string;
      /** Groups deltas of one reasoning block; a new value opens a new block. */
      readonly block?: number;
    }
  | {
      readonly type: 'tool_call';
      readonly choice: number;
      /** Position among the choice's tool calls, from 0. The first delta of an index carries id and name. */
      readonly index: number;
      readonly id?: string;
      readonly name?: string;
      /** A piece of the arguments' JSON text. */
      readonly arguments: string;
    }
  | {
      readonly type: 'finish';
      readonly choice: number;
      readonly reason: FinishReason;
      /** The stop sequence that was met, when the provider says. */
      readonly stopSequence?: string;
      /** We ended the answer ourselves, since a budget of the caller did not reach further. */
      readonly stoppedBy?: 'budget';
    }
  /** Running total, never to be summed. */
  | { readonly type: 'usage'; readonly usage: Usage };

/** Names of the wire formats, on both sides of the gateway. */
export type DialectName =
  | 'openai-chat'
  | 'openai-completions'
  | 'openai-responses'
  | 'anthropic'
  | 'gemini'
  | 'bedrock'
  | 'mcp'
  | 'sluice';

/** What an upstream sent, word for word, kept so that a same-dialect caller receives it unchanged. */
export interface WireFrame {
  readonly dialect: DialectName;
  /** SSE event name, where the dialect has one. */
  readonly event?: string;
  /** SSE data (JSON text). */
  readonly data: string;
}

/**
 * The chunks of a streamed answer. `take` gives one that is here already, without the cost of a promise; undefined
 * means: ask `next`. It throws what `next` would reject with, and must not be asked while a `next` is under way.
 */
export interface ChunkSource extends AsyncIterable<ChatChunk> {
  take?(): ChatChunk | undefined;
}

/** A {@link ChunkSource} that is being read. */
export interface ChunkReader extends AsyncIterableIterator<ChatChunk> {
  take(): ChatChunk | undefined;
}

/**
 * One step of a streamed answer: an upstream frame, the events it means, or both.
 * Events are parsed only when somebody asks: a same-dialect stream costs no JSON work per chunk.
 */
export class ChatChunk {
  readonly frame: WireFrame | undefined;
  #events: readonly ChatEvent[] | undefined;
  readonly #parse: (() => readonly ChatEvent[]) | undefined;

  private constructor(
    frame: WireFrame | undefined,
    events: readonly ChatEvent[] | undefined,
    parse: (() => readonly ChatEvent[]) | undefined,
  ) {
    this.frame = frame;
    this.#events = events;
    this.#parse = parse;
  }

  static of(...events: readonly ChatEvent[]): ChatChunk {
    return new ChatChunk(undefined, events, undefined);
  }
  static framed(frame: WireFrame, events: readonly ChatEvent[]): ChatChunk {
    return new ChatChunk(frame, events, undefined);
  }
  /** `parse` runs at most once and must not throw. */
  static lazy(frame: WireFrame, parse: () => readonly ChatEvent[]): ChatChunk {
    return new ChatChunk(frame, undefined, parse);
  }

  get events(): readonly ChatEvent[] {
    this.#events ??= this.#parse?.() ?? [];
    return this.#events;
  }
}
