import type {
  Caller,
  ChatCall,
  ChatChunk,
  ChatMessage,
  DialectName,
  GatewayError,
  Prompt,
} from '@sluice/kernel';
import { optionalBoolean, optionalString, type Json } from './field.check.js';

/** A request body that was checked. `prompt` translates on first use and must not throw. */
export interface ParsedBody {
  readonly model: string;
  readonly stream: boolean;
  readonly includeUsage: boolean;
  readonly prompt: () => Prompt;
}

/** The facts that every dialect names alike, and the prompt, translated by now: nearly every call needs it. */
export function parsedBody(body: Json, includeUsage: boolean, prompt: Prompt): ParsedBody {
  return {
    model: optionalString(body, 'model') ?? '',
    stream: optionalBoolean(body, 'stream') ?? false,
    includeUsage,
    prompt: () => prompt,
  };
}

/**
 * One wire format at the door: checks bodies, writes answers. Pure translation, no I/O.
 * Adding one is a file here and a line in the catalogue.
 */
export abstract class WireDialect {
  abstract readonly name: DialectName;
  /** @throws GatewayError invalid_request naming the field in `param`. */
  abstract parse(body: unknown): ParsedBody;
  /** The whole JSON answer, used when the upstream did not answer in this dialect. */
  abstract format(message: ChatMessage, call: ChatCall): Record<string, unknown>;
  /** A fresh encoder for one streamed answer. */
  abstract stream(call: ChatCall): WireStream;
  abstract error(error: GatewayError, requestId: string): Record<string, unknown>;
  /** What must be fetched before a body can be parsed: earlier turns that it names. Gives the body to parse. */
  prepare?(body: unknown, caller: Caller): Promise<unknown>;
  /** Keeps a completed answer that a later body may name. Called off the caller's path. */
  remember?(call: ChatCall, answer: ChatMessage): Promise<void>;
}

/** Writes one streamed answer as SSE text. Same-dialect frames pass through as they are. */
export interface WireStream {
  /** SSE text for this chunk; the empty string when there is nothing to say. */
  chunk(chunk: ChatChunk): string;
  heartbeat(): string;
  /** The regular end. `extra` is the `sluice` field of the final usage event, when it was asked for. */
  end(extra?: Readonly<Record<string, unknown>>): string;
  /** The end after a failure: an error frame, and no sign of a regular end. */
  error(error: GatewayError, requestId: string): string;
}
