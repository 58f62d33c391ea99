import { createRequire } from 'node:module';
import type * as Redis from 'redis';
import type { Logger } from '@sluice/observability';
import { withDeadline } from './command-deadline.js';
import type { LuaScript } from './lua-script.js';
import { RedisConnection, RedisUnavailable, type RedisArgument } from './redis.connection.js';

export interface LiveRedisOptions {
  readonly url: string;
  /** Longest wait for one reply. */
  readonly commandTimeoutMs?: number;
  /** How long an unanswered probe is believed before the socket is thrown away. */
  readonly staleAfterMs?: number;
}

type Client = ReturnType<typeof open>;

const require = createRequire(import.meta.url);

/** The client is 550 files: 200 ms of start and 10 MB that only those with a REDIS_URL need pay. */
const client = (): typeof Redis => require('redis') as typeof Redis;

const makeBufferOptions = () => ({ typeMapping: { [client().RESP_TYPES.BLOB_STRING]: Buffer } });
type BufferOptions = ReturnType<typeof makeBufferOptions>;
let bufferOptions: BufferOptions | undefined;
const asBuffers = (): BufferOptions => (bufferOptions ??= makeBufferOptions());

function open(url: string) {
  return client().createClient({
    url,
    disableOfflineQueue: true,
    socket: {
      connectTimeout: 2000,
      keepAlive: true,
      // Jitter keeps replicas from reconnecting in step; below 1 s so that recovery stays short.
      reconnectStrategy: (retries: number) =>
        Math.min(50 * 2 ** Math.min(retries, 5), 800) + Math.random() * 100,
    },
  });
}

/**
 * Errors by which a server that answers says that it does not work now: its memory or its disk is full (by default it then takes
 * no writes), it is a replica since a failover, it is loading. Inside of a script the word comes after "-" in older versions.
 */
const OUT_OF_SERVICE =
  /(?:^|: -)(?:OOM|MISCONF|READONLY|NOREPLICAS|LOADING|BUSY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN)\b/;

/** A write that writes nothing: it fails where a PING would succeed and everything else fail. */
const PROBE = ['SET', 'sluice:probe', '', 'XX'];

/** {@link RedisConnection} over node-redis. */
export class LiveRedisConnection extends RedisConnection {
  readonly enabled = true;
  readonly #url: string;
  readonly #timeoutMs: number;
  readonly #staleAfterMs: number;
  readonly #logger: Logger;
  readonly #recovery = new Set<() => void>();
  readonly #channels = new Map<string, Set<(message: string) => void>>();
  #client: Client;
  #subscriber: Client | undefined;
  #answering = false;
  #everAnswered = false;
  #probing = false;
  #closed = false;
  #probeTimer: NodeJS.Timeout | undefined;

  constructor(options: LiveRedisOptions, logger: Logger) {
    super();
    this.#url = options.url;
    this.#timeoutMs = options.commandTimeoutMs ?? 50;
    this.#staleAfterMs = options.staleAfterMs ?? 5000;
    this.#logger = logger;
    this.#client = this.#start();
  }

  get available(): boolean {
    return this.#answering;
  }

  /** Waits until Redis answers for the first time, for at most `timeoutMs`. Never throws: absence is served too. */
  async ready(timeoutMs: number): Promise<boolean> {
    if (this.#answering) return true;
    return new Promise<boolean>((resolve) => {
      const done = (answer: boolean) => {
        clearTimeout(timer);
        this.#recovery.delete(onUp);
        resolve(answer);
      };
      const onUp = () => done(true);
      const timer = setTimeout(() => done(false), timeoutMs);
      this.#recovery.add(onUp);
    });
  }

  async command<T>(args: readonly RedisArgument[]): Promise<T> {
    return this.#send<T>(args);
  }

  async commandBuffer<T>(args: readonly RedisArgument[]): Promise<T> {
    return this.#send<T>(args, asBuffers());
  }

  script<T>(
    script: LuaScript,
    keys: readonly string[],
    args: readonly RedisArgument[],
  ): Promise<T> {
    return this.#evaluate<T>(script, [String(keys.length), ...keys, ...args]);
  }

  scriptBuffer<T>(
    script: LuaScript,
    keys: readonly string[],
    args: readonly RedisArgument[],
  ): Promise<T> {
    return this.#evaluate<T>(script, [String(keys.length), ...keys, ...args], asBuffers());
  }

  subscribe(channel: string, listener: (message: string) => void): () => void {
    let listeners = this.#channels.get(channel);
    if (listeners === undefined) {
      listeners = new Set();
      this.#channels.set(channel, listeners);
      this.#listen(channel);
    }
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
    };
  }

  onRecovery(listener: () => void): () => void {
    this.#recovery.add(listener);
    return () => this.#recovery.delete(listener);
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#answering = false;
    clearTimeout(this.#probeTimer);
    this.#recovery.clear();
    this.#channels.clear();
    discard(this.#client);
    if (this.#subscriber !== undefined) discard(this.#subscriber);
    return Promise.resolve();
  }

  async #evaluate<T>(
    script: LuaScript,
    tail: readonly RedisArgument[],
    options?: BufferOptions,
  ): Promise<T> {
    try {
      return await this.#send<T>(['EVALSHA', script.sha1, ...tail], options);
    } catch (error) {
      if (!(error instanceof client().ErrorReply) || !error.message.startsWith('NOSCRIPT'))
        throw error;
      return this.#send<T>(['EVAL', script.source, ...tail], options);
    }
  }

  async #send<T>(args: readonly RedisArgument[], options?: BufferOptions): Promise<T> {
    if (!this.#answering) throw new RedisUnavailable('Redis does not answer');
    try {
      return await withDeadline(
        this.#client.sendCommand<T>(args, options),
        this.#timeoutMs,
        () => new RedisUnavailable(`Redis did not answer within ${this.#timeoutMs} ms`),
      );
    } catch (error) {
      if (isFault(error)) throw error;
      this.#lose(error);
      if (error instanceof RedisUnavailable) throw error;
      throw new RedisUnavailable(
        error instanceof client().ErrorReply
          ? `Redis is out of service: ${error.message}`
          : 'the connection to Redis broke',
        { cause: error },
      );
    }
  }

  #start(): Client {
    const client = open(this.#url);
    client.on('error', (error: unknown) => {
      if (client === this.#client) this.#lose(error);
    });
    client.on('ready', () => {
      if (client === this.#client) this.#probe();
    });
    // node-redis keeps trying by itself; its first failure arrives on 'error' as well.
    client.connect().catch(() => undefined);
    return client;
  }

  #lose(error: unknown): void {
    if (this.#closed) return;
    if (this.#answering) {
      this.#answering = false;
      this.#logger.warn({ err: error }, 'Redis does not answer; going on without it');
    }
    this.#probe();
  }

  /** One at a time, sent by nobody's request: callers never pay for finding out. */
  #probe(): void {
    if (this.#probing || this.#closed || !this.#client.isReady) return;
    this.#probing = true;
    const client = this.#client;
    const found = (): void => {
      this.#probing = false;
      this.#found();
    };
    withDeadline(client.sendCommand(PROBE), this.#staleAfterMs, () => new Error('stale')).then(
      found,
      (error: unknown) => {
        // It may forbid just this.
        if (isFault(error)) {
          found();
          return;
        }
        this.#probing = false;
        if (this.#closed || client !== this.#client) return;
        if (error instanceof Error && error.message === 'stale') {
          // The other side vanished without a FIN: only a new socket will find out.
          discard(client);
          this.#client = this.#start();
        }
        this.#probeTimer = setTimeout(() => this.#probe(), 200);
        this.#probeTimer.unref();
      },
    );
  }

  #found(): void {
    if (this.#answering || this.#closed) return;
    this.#answering = true;
    if (this.#everAnswered) this.#logger.info({}, 'Redis answers again');
    this.#everAnswered = true;
    for (const listener of this.#recovery) listener();
  }

  #listen(channel: string): void {
    if (this.#subscriber === undefined) {
      this.#subscriber = open(this.#url);
      this.#subscriber.on('error', () => undefined);
      // Subscriptions made before the connection stands are refused without the offline queue.
      this.#subscriber.on('ready', () => {
        for (const name of this.#channels.keys()) this.#attach(name);
      });
      this.#subscriber.connect().catch(() => undefined);
    } else if (this.#subscriber.isReady) {
      this.#attach(channel);
    }
  }

  #attach(channel: string): void {
    const subscriber = this.#subscriber;
    // After a reconnection node-redis restores its own subscriptions.
    if (subscriber === undefined || this.#attached.has(channel)) return;
    this.#attached.add(channel);
    subscriber
      .subscribe(channel, (message) => {
        for (const listener of this.#channels.get(channel) ?? []) listener(message);
      })
      .catch(() => this.#attached.delete(channel));
  }

  readonly #attached = new Set<string>();
}

/** An answer of a server that works, and says that it was asked for something wrong. */
function isFault(error: unknown): boolean {
  return error instanceof client().ErrorReply && !OUT_OF_SERVICE.test(error.message);
}

function discard(client: Client): void {
  // destroy() throws on a client that never connected.
  if (client.isOpen) client.destroy();
}
