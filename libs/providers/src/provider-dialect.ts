import type {
  ChatCall,
  ChatChunk,
  ChatMessage,
  DialectName,
  GatewayError,
  Target,
  Usage,
} from '@sluice/kernel';
import type { CountRequest, EmbeddingAnswer, EmbeddingRequest } from './provider-adapter.js';

/** What is said to an upstream: a JSON value, or what the caller wrote, which goes out byte for byte. */
export type RequestBody =
  | { readonly body: Readonly<Record<string, unknown>>; readonly json?: undefined }
  | { readonly json: Buffer; readonly body?: undefined };

export type DialectRequest = RequestBody & {
  /** Path below the provider's base URL, with query. Ids in it are checked and encoded. */
  readonly path: string;
  /** Besides those that are the same for every request. */
  readonly headers?: Readonly<Record<string, string>>;
};

export interface UpstreamResponseFacts {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
}

/** One SSE event of the upstream. */
export interface SseEvent {
  readonly event: string | undefined;
  readonly data: string;
}

/** Reads one upstream stream. */
export interface DialectStreamReader {
  /** The chunk that this event means; undefined for nothing. May throw GatewayError for an error event or rubbish. */
  read(event: SseEvent): ChatChunk | undefined;
  /** The provider's usage report so far. */
  usage(): Usage | undefined;
  /** True once the upstream has said that the answer is whole. A stream that closes before is a failure. */
  done(): boolean;
  /**
   * Characters of output seen so far (text, reasoning, tool arguments), found without parsing whole events.
   * Left out, the engine asks each chunk for its events.
   */
  produced?(): number;
}

/**
 * Translation for an upstream that speaks HTTP with JSON and SSE. Pure: no I/O, no clock.
 * When `call.dialect` equals `name`, the caller's body goes through but for the model name and the upstream's
 * frames go back word for word ({@link ChatChunk} with a frame); otherwise the neutral form is used.
 */
export abstract class ProviderDialect {
  abstract readonly name: DialectName;
  /** Header names and values of authentication. */
  abstract auth(apiKey: string): Readonly<Record<string, string>>;
  /** @throws GatewayError invalid_request naming the field this dialect cannot express (unless call.unsupported is 'drop'). */
  abstract request(call: ChatCall, target: Target): DialectRequest;
  abstract message(body: Readonly<Record<string, unknown>>, call: ChatCall): ChatMessage;
  abstract reader(call: ChatCall): DialectStreamReader;
  /** Normalises an error answer; `body` is parsed JSON or text. */
  abstract failure(response: UpstreamResponseFacts, body: unknown, target: Target): GatewayError;
  /** Only for dialects whose provider counts tokens. */
  counting?(request: CountRequest, target: Target): DialectRequest;
  /** Only for dialects with embeddings, both or none. */
  embedding?(request: EmbeddingRequest, target: Target): DialectRequest;
  embedded?(body: Readonly<Record<string, unknown>>, request: EmbeddingRequest): EmbeddingAnswer;
}
