import type {
  ChatCall,
  ChatMessage,
  ChunkSource,
  DialectName,
  RawJson,
  StopSignal,
  Target,
  Usage,
  WireBody,
} from '@sluice/kernel';

/** What an upstream answered. The first chunk of a stream has not been awaited yet. */
export type ProviderAnswer =
  | { readonly kind: 'message'; readonly message: ChatMessage; readonly wire?: WireBody }
  | {
      readonly kind: 'stream';
      readonly chunks: ChunkSource;
      /** The provider's report so far; undefined until it has said anything. */
      readonly usage: () => Usage | undefined;
      /** Characters of output so far, where the adapter knows without parsing each chunk. */
      readonly produced?: () => number;
    };

export interface EmbeddingRequest {
  readonly inputs: readonly (string | readonly number[])[];
  readonly dimensions?: number;
  /** What else the caller asked, for upstreams that speak its dialect. */
  readonly extra?: Readonly<Record<string, unknown>>;
}
export interface EmbeddingAnswer {
  readonly vectors: readonly (readonly number[])[];
  readonly usage: Usage;
}

/** How many tokens would this prompt take? In the caller's own words. */
export interface CountRequest {
  readonly dialect: DialectName;
  readonly body: Readonly<Record<string, unknown>>;
  /** `body` as it was received. */
  readonly raw?: RawJson | undefined;
  readonly forwardHeaders: Readonly<Record<string, string>>;
}

/**
 * One provider kind's way of being asked. Throws GatewayError (`upstream_error`, `upstream_timeout`,
 * `rate_limited` with `upstream` set, `invalid_request` for what the target cannot express).
 * Knows nothing of retries, breakers, slots or money.
 */
export abstract class ProviderAdapter {
  /** True when `chat` itself calls `call.hold.sending` right before the first byte goes out. Else it is called before `chat`. */
  readonly tellsSending: boolean = false;
  abstract chat(call: ChatCall, target: Target, signal: StopSignal): Promise<ProviderAnswer>;
  embed?(request: EmbeddingRequest, target: Target, signal: StopSignal): Promise<EmbeddingAnswer>;
  /** The provider's own answer, word for word; undefined where it cannot be asked in the caller's dialect. */
  count?(
    request: CountRequest,
    target: Target,
    signal: StopSignal,
  ): Promise<Readonly<Record<string, unknown>> | undefined>;
  /** Closes sockets. */
  abstract close(): Promise<void>;
}
