import {
  ChatChunk,
  ChatReply,
  NO_USAGE,
  eventsOf,
  type CacheFact,
  type ChatMessage,
  type MicroUsd,
  type WireBody,
} from '@sluice/kernel';

/** One stored answer. Immutable; the same object serves every hit from memory. */
export interface CachedAnswer {
  readonly message: ChatMessage;
  /** The upstream's body word for word, when it was in the caller's dialect and names no caller. */
  readonly wire?: WireBody;
  /** What the answer cost when it was made, in micro-USD: what a hit saves. */
  readonly costMicroUsd: MicroUsd;
  /** Milliseconds since the epoch. */
  readonly storedAt: number;
  readonly expiresAt: number;
  readonly answeredBy?: NonNullable<CacheFact['answeredBy']>;
}

/** Fields of an upstream body that echo what is not part of the key: another caller must not read them. */
const ECHOED = ['metadata', 'user', 'safety_identifier', 'prompt_cache_key'];

/** True when the body may be handed to whoever hits: it repeats nothing that the key leaves out. */
export function isSharable(wire: WireBody): boolean {
  return ECHOED.every((field) => {
    const value = wire.body[field];
    if (value === undefined || value === null) return true;
    return typeof value === 'object' && Object.keys(value).length === 0;
  });
}

/** As JSON text. The wire body travels as its own text, so that a hit repeats it byte for byte. */
export function answerToText(answer: CachedAnswer): string {
  const { wire, ...rest } = answer;
  return JSON.stringify(
    wire === undefined
      ? rest
      : { ...rest, wire: { dialect: wire.dialect, json: wire.json ?? JSON.stringify(wire.body) } },
  );
}

/** @throws when the text is not an answer: the caller treats that as a miss. */
export function answerFromText(text: string): CachedAnswer {
  const read = JSON.parse(text) as Omit<CachedAnswer, 'wire'> & {
    wire?: { dialect: WireBody['dialect']; json: string };
  };
  if (!Array.isArray(read.message.choices) || typeof read.expiresAt !== 'number') {
    throw new TypeError('not a cached answer');
  }
  const { wire, ...rest } = read;
  if (wire === undefined) return rest;
  return {
    ...rest,
    wire: {
      dialect: wire.dialect,
      json: wire.json,
      body: JSON.parse(wire.json) as Readonly<Record<string, unknown>>,
    },
  };
}

const chunksOf = new WeakMap<ChatMessage, readonly ChatChunk[]>();

/** The stored answer as the caller asked for it, for nothing: a stream replays, a plain call gets the whole. */
export function replay(answer: CachedAnswer, stream: boolean): ChatReply {
  const { message, wire } = answer;
  if (!stream) {
    return ChatReply.message(message, { ...(wire === undefined ? {} : { wire }), bill: FREE });
  }
  let chunks = chunksOf.get(message);
  if (chunks === undefined) {
    chunks = eventsOf(message).map((event) => ChatChunk.of(event));
    chunksOf.set(message, chunks);
  }
  return ChatReply.stream(inOrder(chunks), () => ({ ...FREE, message: () => message }));
}

const FREE = Object.freeze({ usage: NO_USAGE, costMicroUsd: 0 });

function inOrder(chunks: readonly ChatChunk[]): AsyncIterable<ChatChunk> {
  return {
    [Symbol.asyncIterator]: () => {
      let at = 0;
      return {
        next: () => {
          const value = chunks[at++];
          return Promise.resolve(
            value === undefined ? { done: true, value: undefined } : { done: false, value },
          );
        },
      };
    },
  };
}
