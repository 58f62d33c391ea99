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

/** A body that is parsed only when somebody asks: a hit hands on its text. */
export function wireOf(dialect: WireBody['dialect'], json: string): WireBody {
  let body: WireBody['body'] | undefined;
  return {
    dialect,
    json,
    get body() {
      body ??= JSON.parse(json) as WireBody['body'];
      return body;
    },
  };
}

/**
 * As text: one line of JSON; then, where there is a wire body, a line with its dialect and the body word for word. JSON has no line
 * breaks outside strings, and escapes those within.
 */
export function answerToText(answer: CachedAnswer): string {
  const { wire, ...rest } = answer;
  const head = JSON.stringify(rest);
  if (wire === undefined) return head;
  return `${head}\n${wire.dialect}\n${wire.json ?? JSON.stringify(wire.body)}`;
}

/** @throws when the text is not an answer: the caller treats that as a miss. */
export function answerFromText(text: string): CachedAnswer {
  const end = text.indexOf('\n');
  const read = JSON.parse(end < 0 ? text : text.slice(0, end)) as CachedAnswer;
  if (!Array.isArray(read.message.choices) || typeof read.expiresAt !== 'number') {
    throw new TypeError('not a cached answer');
  }
  if (end < 0) return read;
  const bar = text.indexOf('\n', end + 1);
  // Written by answerToText, and whole: the codec has checked.
  const dialect = text.slice(end + 1, bar) as WireBody['dialect'];
  return { ...read, wire: wireOf(dialect, text.slice(bar + 1)) };
}

/** About how many characters the answer takes as text, without making it. */
export function sizeOf({ message, wire }: CachedAnswer): number {
  let size = 512 + (wire?.json?.length ?? 0);
  for (const { parts, logprobs } of message.choices) {
    if (logprobs !== undefined) size += JSON.stringify(logprobs).length;
    for (const part of parts) {
      if ('text' in part) size += part.text.length + 64;
      else size += JSON.stringify(part).length;
    }
  }
  return size;
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
