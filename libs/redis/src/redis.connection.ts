import type { LuaScript } from './lua-script.js';

export type RedisArgument = string | Buffer;

/** Redis does not answer, or none is configured. The caller goes on without it. */
export class RedisUnavailable extends Error {
  override readonly name = 'RedisUnavailable';
}

/**
 * The process's one way to Redis. A call takes at most the command timeout; when that has passed once, every
 * call is refused at once until Redis answers a probe. A command that timed out may still have been executed.
 */
export abstract class RedisConnection {
  /** False when no Redis is configured. */
  abstract readonly enabled: boolean;
  /** True while Redis answers. */
  abstract readonly available: boolean;
  /**
   * @throws RedisUnavailable at once while the breaker is open, or after the command timeout
   * @throws Error what the server answered (`WRONGTYPE …`)
   */
  abstract command<T = unknown>(args: readonly RedisArgument[]): Promise<T>;
  /** Like {@link command}; bulk strings come back as Buffers. */
  abstract commandBuffer<T = Buffer | null>(args: readonly RedisArgument[]): Promise<T>;
  /** Runs a script atomically. Keys share a hash tag. Throws as {@link command} does. */
  abstract script<T = unknown>(
    script: LuaScript,
    keys: readonly string[],
    args: readonly RedisArgument[],
  ): Promise<T>;
  /** Like {@link script}; bulk strings come back as Buffers. */
  abstract scriptBuffer<T = Buffer>(
    script: LuaScript,
    keys: readonly string[],
    args: readonly RedisArgument[],
  ): Promise<T>;
  /** Listens on a channel, now and after each reconnection. Returns the function that ends it. */
  abstract subscribe(channel: string, listener: (message: string) => void): () => void;
  /** Runs `listener` each time Redis answers again after an outage. Returns the function that ends it. */
  abstract onRecovery(listener: () => void): () => void;
  abstract close(): Promise<void>;
}

/** Stands in where no `REDIS_URL` is set. */
export class DisabledRedisConnection extends RedisConnection {
  readonly enabled = false;
  readonly available = false;
  command<T>(): Promise<T> {
    return Promise.reject(new RedisUnavailable('no Redis is configured'));
  }
  commandBuffer<T>(): Promise<T> {
    return this.command();
  }
  script<T>(): Promise<T> {
    return this.command();
  }
  scriptBuffer<T>(): Promise<T> {
    return this.command();
  }
  subscribe(): () => void {
    return () => undefined;
  }
  onRecovery(): () => void {
    return () => undefined;
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}
