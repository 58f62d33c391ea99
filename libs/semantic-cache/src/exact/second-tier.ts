import { createCache, type Cache } from 'cache-manager';
import { Keyv, type KeyvStoreAdapter } from 'keyv';
import type { StoreStats } from '../stores/sqlite-keyv.store.js';

/** A Keyv adapter that operators can clear by pattern, sweep and count. */
export interface SecondTierStore extends KeyvStoreAdapter {
  /** Starts early what the first look-up would have to wait for. */
  open?(): Promise<void>;
  /** @param pattern regular expression over whole keys; everything without one. */
  clearMatching(pattern: string | undefined): Promise<number>;
  /** Removes what has expired; stores that expire by themselves give 0. */
  sweep(): Promise<number>;
  stats(): Promise<StoreStats>;
}

/** After a look-up that failed or took too long, the tier is left alone for this long. */
const REST_MS = 1000;

/**
 * The second tier: encoded answers that outlive the process, through cache-manager and a Keyv store.
 * It never throws at its callers: a fault is a miss, counted by `onFault`, and lets the tier rest.
 */
export class SecondTier {
  readonly #cache: Cache;
  readonly #keyv: Keyv;
  readonly #failures = new Map<string, unknown>();
  #restUntil = -Infinity;

  constructor(
    readonly store: SecondTierStore,
    private readonly onFault: (error: unknown) => void,
  ) {
    this.#keyv = new Keyv({
      store,
      useKeyPrefix: false,
      // Values are text already: Keyv's JSON around them would escape every quote.
      serialize: ({ value, expires }) => `${expires ?? ''}|${String(value)}`,
      deserialize: (text) => {
        const bar = text.indexOf('|');
        const expires = Number(text.slice(0, bar));
        // Keyv is generic over what it holds; here it is always text.
        return { value: text.slice(bar + 1) as never, expires: expires > 0 ? expires : undefined };
      },
      throwOnErrors: true,
    });
    this.#keyv.on('error', () => undefined);
    this.#cache = createCache({ stores: [this.#keyv] });
    // cache-manager swallows what a store throws and tells it only here. One listener for all calls: a
    // listener a call would hear of its neighbours' faults too.
    const note = ({ key, error }: { key?: string; error?: unknown }): void => {
      if (error !== undefined && key !== undefined) this.#failures.set(key, error);
    };
    this.#cache.on('get', note);
    this.#cache.on('set', note);
  }

  /** The stored text, or undefined: absent, failed, or not there within `timeoutMs`. */
  async get(key: string, timeoutMs: number): Promise<string | undefined> {
    if (performance.now() < this.#restUntil) return undefined;
    const read = await this.#guarded(key, () => this.#cache.get<unknown>(key), timeoutMs);
    return typeof read === 'string' ? read : undefined;
  }

  async set(key: string, value: string, ttlMs: number): Promise<void> {
    await this.#guarded(key, () => this.#cache.set(key, value, ttlMs), 5000);
  }

  async delete(key: string): Promise<void> {
    await this.#guarded(key, () => this.#cache.del(key), 5000);
  }

  async close(): Promise<void> {
    await this.store.disconnect?.();
  }

  async #guarded<T>(
    key: string,
    work: () => Promise<T>,
    timeoutMs: number,
  ): Promise<T | undefined> {
    let timer: NodeJS.Timeout | undefined;
    try {
      const late = new Promise<never>((_resolve, reject) => {
        timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
      });
      const result = await Promise.race([work(), late]);
      const failure = this.#failures.get(key);
      if (failure !== undefined) throw failure as Error;
      return result;
    } catch (error) {
      this.#restUntil = performance.now() + REST_MS;
      this.onFault(error);
      return undefined;
    } finally {
      clearTimeout(timer);
      this.#failures.delete(key);
    }
  }
}
