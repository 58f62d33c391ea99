import type { LookupFunction } from 'node:net';
import { Pool } from 'undici';
import type { StopSignal } from '@sluice/kernel';
import { ACCEPTED_ENCODINGS } from './content.decoder.js';
import { HttpExchange, type HttpResponse } from './http.exchange.js';
import { HttpFailure } from './http.failure.js';
import { refusePrivateLiteral } from './public-address.lookup.js';

export interface HttpClientOptions {
  /** Resolves host names; the system's resolver when left out. */
  readonly lookup?: LookupFunction;
  /** Also refuses URLs with a literal private address; give a `publicAddressesOnly` lookup with it. */
  readonly publicOnly?: boolean;
  readonly connectTimeoutMs?: number;
  /** Cap on a body, counted after decompression. */
  readonly maxBodyBytes?: number;
  /** Cap on a line of an event stream. */
  readonly maxLineLength?: number;
  /** Connections per origin; unlimited when left out. */
  readonly connections?: number;
}

export interface HttpPost {
  /** Scheme, host and port. */
  readonly origin: string;
  /** Path with query, starting with a slash. */
  readonly path: string;
  readonly method?: 'POST' | 'GET' | 'DELETE';
  /** Lower-case names. `content-type` is JSON unless given. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  readonly signal?: StopSignal;
  /** Until the status line; none when left out. */
  readonly firstByteMs?: number | undefined;
  /** Between two pieces of the body; none when left out. */
  readonly idleMs?: number;
  /** The whole exchange; none when left out. */
  readonly totalMs?: number | undefined;
  /** False closes the connection after this exchange; it is kept for the next one when left out. */
  readonly keepAlive?: boolean;
  /** True asks for an uncompressed answer: an event stream gains nothing from compression. */
  readonly plain?: boolean;
  /** Called when there is a connection, right before the first byte goes out. What it throws ends the exchange. */
  readonly onSending?: (() => void) | undefined;
}

export interface PoolStats {
  readonly origin: string;
  readonly connected: number;
  readonly running: number;
  readonly queued: number;
}

const DEFAULTS = {
  connectTimeoutMs: 5_000,
  maxBodyBytes: 32 * 1024 * 1024,
  maxLineLength: 4 * 1024 * 1024,
};

/** Pools of kept-alive connections, one pool per origin. Never follows a redirect: a 3xx is an answer like any other. */
export class HttpClient {
  readonly #pools = new Map<string, Pool>();
  readonly #options: HttpClientOptions & typeof DEFAULTS;
  #closed = false;

  constructor(options: HttpClientOptions = {}) {
    this.#options = { ...DEFAULTS, ...options };
  }

  /**
   * Sends a request; resolves when status and headers have come.
   * @throws HttpFailure
   */
  post(request: HttpPost): Promise<HttpResponse> {
    const { signal } = request;
    if (signal?.aborted === true) {
      return Promise.reject(new HttpFailure('aborted', 'the request was aborted', signal.reason));
    }
    let pool: Pool;
    try {
      pool = this.#pool(request.origin);
    } catch (error) {
      return Promise.reject(error instanceof Error ? error : new Error(String(error)));
    }
    const exchange = new HttpExchange({
      maxBodyBytes: this.#options.maxBodyBytes,
      maxLineLength: this.#options.maxLineLength,
      totalMs: request.totalMs,
      signal,
      onSending: request.onSending,
    });
    try {
      pool.dispatch(
        {
          path: request.path,
          method: request.method ?? 'POST',
          headers: {
            'content-type': 'application/json',
            'accept-encoding': request.plain === true ? 'identity' : ACCEPTED_ENCODINGS,
            ...request.headers,
          },
          body: request.body ?? null,
          reset: request.keepAlive === false,
          headersTimeout: request.firstByteMs ?? 0,
          bodyTimeout: request.idleMs ?? 0,
        },
        exchange,
      );
    } catch (error) {
      // undici checks paths and header values here: ours, so a fault of the request and not of the upstream.
      exchange.answered.catch(() => undefined);
      exchange.discard();
      return Promise.reject(error instanceof Error ? error : new Error(String(error)));
    }
    return exchange.answered;
  }

  /** What the pools hold now, for metrics. */
  stats(): PoolStats[] {
    return [...this.#pools].map(([origin, pool]) => ({
      origin,
      connected: pool.stats.connected,
      running: pool.stats.running,
      queued: pool.stats.queued,
    }));
  }

  /** Lets running exchanges end, then closes the connections. No new ones from here on. */
  async close(): Promise<void> {
    this.#closed = true;
    const open = [...this.#pools.values()].filter((pool) => !pool.closed && !pool.destroyed);
    await Promise.all(open.map((pool) => pool.close()));
  }

  /** Ends running exchanges, too. */
  async destroy(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#pools.values()].map((pool) => pool.destroy()));
  }

  #pool(origin: string): Pool {
    const known = this.#pools.get(origin);
    if (known !== undefined) return known;
    if (this.#closed) throw new HttpFailure('aborted', 'the client is closed');
    if (this.#options.publicOnly === true) refusePrivateLiteral(new URL(origin).hostname);
    const { lookup, connectTimeoutMs, connections } = this.#options;
    const pool = new Pool(origin, {
      pipelining: 1,
      connections: connections ?? null,
      keepAliveTimeout: 30_000,
      keepAliveMaxTimeout: 300_000,
      maxHeaderSize: 64 * 1024,
      allowH2: false,
      connect: { timeout: connectTimeoutMs, ...(lookup === undefined ? {} : { lookup }) },
    });
    this.#pools.set(origin, pool);
    return pool;
  }
}
