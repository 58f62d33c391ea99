import { createCache, type Cache } from 'cache-manager';
import { Keyv, type KeyvStoreAdapter } from 'keyv';
import type { StoreStats } from '../stores/sqlite-keyv.store.js';
import type { ValueCodec } from './value-codec.js';

/** A Keyv adapter that operators can clear by pattern, sweep and count. */
export interface SecondTierStore extends KeyvStoreAdapter {
  /** It packs, seals and checks values itself, in a thread of its own. */
  readonly encodes?: boolean;
  /** False only when there is certainly nothing under the key; without it nothing is certain. */
  mayHold?(key: string): boolean;
  /** Starts early what the first look-up would have to wait for. */
  open?(): Promise<void>;
  /** @param pattern regular expression over whole keys; everything without one. */
  clearMatching(pattern: string | undefined): Promise<number>;
  /** Removes what has expired; stores that expire by themselves give 0. */
  sweep(): Promise<number>;
  stats(): Promise<StoreStats>;
}

export interface SecondTierEntry {
  readonly key: string;
  readonly text: string;
  readonly ttlMs: number;
}

/** Code of a fault in one value: its neighbours are as good as before. */
export const UNREADABLE = 'unreadable';

const WRITE_MS = 10_000;
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
  #opening: Promise<void> | undefined;

  /** @param compressAbove characters; asked at each write */
  constructor(
    readonly store: SecondTierStore,
    private readonly onFault: (error: unknown) => void,
    private readonly codec: ValueCodec,
    private readonly compressAbove: () => number,
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
  }

  /** Starts the store in the background. Look-ups meanwhile wait for it within their time; then they are plain misses. */
  open(): Promise<void> {
    this.#opening = (this.store.open?.() ?? Promise.resolve())
      .catch((error: unknown) => this.onFault(error))
      .finally(() => {
        this.#opening = undefined;
      });
    return this.#opening;
  }

  /** False only when a look-up would certainly find nothing: it need not be made. */
  mayHold(key: string): boolean {
    return this.store.mayHold?.(key) ?? true;
  }

  /** The stored text, or undefined: absent, failed, or not there within `timeoutMs`. */
  async get(key: string, timeoutMs: number): Promise<string | undefined> {
    const started = performance.now();
    if (started < this.#restUntil) return undefined;
    let left = timeoutMs;
    if (this.#opening !== undefined) {
      if (!(await settledWithin(this.#opening, timeoutMs))) return undefined;
      left = Math.max(1, timeoutMs - (performance.now() - started));
    }
    const read = await this.#guarded(key, () => this.#cache.get<unknown>(key), left);
    if (typeof read !== 'string' || this.store.encodes === true) return read as string | undefined;
    try {
      return await this.codec.decode(key, read);
    } catch (error) {
      this.onFault(error);
      return undefined;
    }
  }

  /** Stores all or, on a fault, perhaps none. */
  async set(entries: readonly SecondTierEntry[]): Promise<void> {
    if (entries.length === 0) return;
    const above = this.compressAbove();
    const list = await Promise.all(
      entries.map(async ({ key, text, ttlMs }) => ({
        key,
        value: this.store.encodes === true ? text : await this.codec.encode(key, text, above),
        ttl: Math.ceil(ttlMs),
      })),
    );
    await this.#guarded(list[0]?.key ?? '', () => this.#cache.mset(list), WRITE_MS);
  }

  async delete(key: string): Promise<void> {
    await this.#guarded(key, () => this.#cache.del(key), WRITE_MS);
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
      if ((error as { code?: string }).code !== UNREADABLE) {
        this.#restUntil = performance.now() + REST_MS;
      }
      this.onFault(error);
      return undefined;
    } finally {
      clearTimeout(timer);
      this.#failures.delete(key);
    }
  }
}

/** Whether the promise settled in time. */
async function settledWithin(promise: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, ms, false);
  });
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
