import type { Clock } from '@sluice/kernel';
import { LRUCache } from 'lru-cache';

interface Entry {
  readonly value: Promise<unknown>;
  /** Monotonic milliseconds of the answer; infinity while it is awaited. */
  at: number;
  refreshing: boolean;
}

export interface FreshCacheOptions {
  /** Milliseconds for which an answer is given without asking again. */
  readonly freshMs: number;
  /** Milliseconds for which it is still given while a newer one is fetched. */
  readonly staleMs: number;
  readonly maxEntries: number;
}

/** Answers that may be some seconds old: many who ask the same at once cost one query, and rarely wait for it. */
export class FreshCache {
  readonly #entries: LRUCache<string, Entry>;

  constructor(
    private readonly clock: Clock,
    private readonly options: FreshCacheOptions,
  ) {
    this.#entries = new LRUCache({ max: options.maxEntries });
  }

  /** @param fetch its failure is not kept, and reaches only those who wait for it */
  get<T>(key: string, fetch: () => Promise<T>): Promise<T> {
    const entry = this.#entries.get(key);
    const age = entry === undefined ? Infinity : this.clock.monotonic() - entry.at;
    if (entry === undefined || age > this.options.staleMs) return this.#fetch(key, fetch);
    if (age > this.options.freshMs && !entry.refreshing) {
      entry.refreshing = true;
      fetch().then(
        (value) => this.#keep(key, Promise.resolve(value), this.clock.monotonic()),
        () => {
          entry.refreshing = false;
        },
      );
    }
    // Only `get` with the same key, and so the same kind of answer, has filled the entry.
    return entry.value as Promise<T>;
  }

  #fetch<T>(key: string, fetch: () => Promise<T>): Promise<T> {
    const value = fetch();
    const entry = this.#keep(key, value, Infinity);
    value.then(
      () => {
        entry.at = this.clock.monotonic();
      },
      () => {
        if (this.#entries.peek(key) === entry) this.#entries.delete(key);
      },
    );
    return value;
  }

  #keep(key: string, value: Promise<unknown>, at: number): Entry {
    const entry: Entry = { value, at, refreshing: false };
    this.#entries.set(key, entry);
    return entry;
  }
}
