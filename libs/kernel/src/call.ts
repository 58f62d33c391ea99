import type { Caller } from './caller.js';
import type { DialectName } from './event.js';
import { Journal } from './journal.js';
import type { Prompt } from './prompt.js';
import type { RawJson } from './raw-json.js';
import type { StopSignal } from './stop-signal.js';
import type { Target } from './target.js';

export type CacheMode = 'on' | 'exact' | 'off' | 'refresh';

/** What the caller asked of the cache, from `Cache-Control` and `x-sluice-cache*` (checked at the door). */
export interface CacheControls {
  readonly mode: CacheMode;
  /** The caller named the mode itself: calls above `cache.maxTemperature` are cached only then. */
  readonly asked?: boolean;
  /** `no-store`: neither look up nor store. */
  readonly noStore: boolean;
  /** `no-cache`: skip the look-up, store the fresh answer. */
  readonly noCache: boolean;
  readonly maxAgeSeconds?: number;
  readonly ttlSeconds?: number;
  readonly threshold?: number;
  readonly namespace?: string;
}

export const DEFAULT_CACHE_CONTROLS: CacheControls = Object.freeze({
  mode: 'on',
  noStore: false,
  noCache: false,
});

/**
 * Tokens and money held for a running call. Bound by TokenLimitsInterceptor; the default holds nothing.
 * Ends by itself with the reply: attempts only say where the call goes next and how far it has come.
 */
export interface SpendHold {
  /**
   * Reserves for one attempt at this target's price, moving an earlier hold of the same call. Undefined when that was done at
   * once: most often there is nothing to wait for.
   * @throws GatewayError budget_exhausted | token_limit | emergency_shutdown | context_too_long
   */
  cover(target: Target): Promise<void> | undefined;
  /**
   * Told for each attempt before the first byte of its request leaves for the upstream: from then on the attempt may
   * cost something. What it throws must keep the request back.
   * @throws GatewayError client_closed when the call is over; overloaded when it cannot be written down
   */
  sending(target: Target): void;
  /**
   * Tells how many output tokens have been streamed; 'stop' ends the stream with finish reason `length`. A promise while more
   * is being asked for: the stream waits.
   */
  progress(outputTokens: number): Progress | Promise<Progress>;
}

export type Progress = 'go' | 'stop';

const NO_HOLD: SpendHold = {
  cover: () => undefined,
  sending: () => undefined,
  progress: () => 'go',
};

export interface ChatCallInit {
  readonly id: string;
  readonly caller: Caller;
  readonly dialect: DialectName;
  readonly model: string;
  readonly stream: boolean;
  readonly body: Readonly<Record<string, unknown>>;
  /** `body` as it was received. */
  readonly raw?: RawJson;
  readonly signal: StopSignal;
  readonly parse: () => Prompt;
  readonly cache?: CacheControls;
  readonly agent?: string;
  readonly session?: string;
  readonly includeUsage?: boolean;
  readonly unsupported?: 'refuse' | 'drop';
  readonly startedAt?: number;
  readonly forwardHeaders?: Readonly<Record<string, string>>;
  readonly route?: string;
}

/** One chat request as the rooms see it. Immutable but for its journal and its hold. */
export class ChatCall {
  /** UUIDv7; also the idempotency key of its usage row. */
  readonly id: string;
  readonly caller: Caller;
  /** The dialect the caller speaks. */
  readonly dialect: DialectName;
  /** As requested: a model id, `auto`, or `ensemble/…`. */
  readonly model: string;
  readonly stream: boolean;
  /** The caller's JSON body, untouched. */
  readonly body: Readonly<Record<string, unknown>>;
  /** `body` byte for byte, where it came so; undefined for a call that was made anew. */
  readonly raw: RawJson | undefined;
  /** Aborts when the client leaves. */
  readonly signal: StopSignal;
  readonly cache: CacheControls;
  readonly agent: string | undefined;
  readonly session: string | undefined;
  /** OpenAI `stream_options.include_usage`. */
  readonly includeUsage: boolean;
  /** What to do with a field the target cannot express. */
  readonly unsupported: 'refuse' | 'drop';
  /** `performance.now()` at arrival. */
  readonly startedAt: number;
  /** Headers on the open allow-list that go upstream (`anthropic-beta`, `anthropic-version`). */
  readonly forwardHeaders: Readonly<Record<string, string>>;
  /** Matched route pattern, or a name for work that is not HTTP (`warm`, `shadow`, `batch`). */
  readonly route: string;
  readonly journal = new Journal();
  hold: SpendHold = NO_HOLD;
  readonly #parse: () => Prompt;
  #prompt: Prompt | undefined;

  constructor(init: ChatCallInit) {
    this.id = init.id;
    this.caller = init.caller;
    this.dialect = init.dialect;
    this.model = init.model;
    this.stream = init.stream;
    this.body = init.body;
    this.raw = init.raw;
    this.signal = init.signal;
    this.cache = init.cache ?? DEFAULT_CACHE_CONTROLS;
    this.agent = init.agent;
    this.session = init.session;
    this.includeUsage = init.includeUsage ?? false;
    this.unsupported = init.unsupported ?? 'refuse';
    this.startedAt = init.startedAt ?? performance.now();
    this.forwardHeaders = init.forwardHeaders ?? {};
    this.route = init.route ?? 'internal';
    this.#parse = init.parse;
  }

  /** The neutral form of the body; translated on first use. */
  get prompt(): Prompt {
    this.#prompt ??= this.#parse();
    return this.#prompt;
  }

  /** The same request on another footing: another caller, model, signal or route. Journal and hold start anew. */
  with(changes: Partial<ChatCallInit>): ChatCall {
    return new ChatCall({
      id: this.id,
      caller: this.caller,
      dialect: this.dialect,
      model: this.model,
      stream: this.stream,
      body: this.body,
      // Another body or another prompt is not what the caller wrote.
      ...(this.raw === undefined || changes.body !== undefined || changes.parse !== undefined
        ? {}
        : { raw: this.raw }),
      signal: this.signal,
      parse: () => this.prompt,
      cache: this.cache,
      ...(this.agent === undefined ? {} : { agent: this.agent }),
      ...(this.session === undefined ? {} : { session: this.session }),
      includeUsage: this.includeUsage,
      unsupported: this.unsupported,
      startedAt: this.startedAt,
      forwardHeaders: this.forwardHeaders,
      route: this.route,
      ...changes,
    });
  }
}
