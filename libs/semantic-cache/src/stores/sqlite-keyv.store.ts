import type { Clock } from '@sluice/kernel';
import type { Logger } from '@sluice/observability';
import type { StoredData } from 'keyv';
import { KeyFilter } from '../exact/key-filter.js';
import type { SecondTierStore } from '../exact/second-tier.js';
import { WorkerThread } from '../worker-thread.js';

export interface SqliteStoreOptions {
  readonly path: string;
  readonly maxBytes: () => number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Values are sealed with it, see ValueCodec. */
  readonly encryptionKey?: string | undefined;
  /** Values longer than this (characters) are packed; nothing is without it. */
  readonly compressAbove?: () => number;
}

export interface StoreStats {
  readonly entries: number;
  readonly bytes: number;
  readonly evictions: number;
}

/**
 * A Keyv adapter on `node:sqlite`: one thread writes in batches, another reads. It reads ten thousand rows of 2 KB a second: a second one
 * would cost 14 MB for nothing. Writes are committed within milliseconds; what the last batch held is lost when the machine
 * stops, never torn.
 */
export class SqliteKeyvStore implements SecondTierStore {
  readonly encodes = true;
  opts: Record<string, unknown> = {};
  namespace?: string | undefined;
  readonly #options: SqliteStoreOptions;
  readonly #writer: WorkerThread;
  readonly #reader: WorkerThread;
  #rows = new Map<string, { value: string; expires: number }>();
  #drops = new Set<string>();
  #flush: Promise<void> | undefined;
  #opened: Promise<unknown> | undefined;
  /** Of every key in the file and on its way to it; undefined until it is made. */
  #filter: KeyFilter | undefined;
  /** Stored while a filter is being made. */
  #meanwhile: string[] | undefined;
  #making: Promise<void> = Promise.resolve();

  constructor(options: SqliteStoreOptions) {
    this.#options = options;
    const thread = (role: 'writer' | 'reader'): WorkerThread =>
      new WorkerThread(
        './sqlite.worker',
        import.meta.url,
        { path: options.path, role, encryptionKey: options.encryptionKey },
        (notice) => {
          options.logger.error(notice, 'the cache file is damaged and was set aside');
          this.#reader.call('reopen', undefined).catch(() => undefined);
        },
      );
    this.#writer = thread('writer');
    this.#reader = thread('reader');
  }

  /** Starts both threads. Not needed before use; it only takes the wait from the first caller. */
  async open(): Promise<void> {
    await this.#ready();
    await this.#reader.call('open', undefined);
    await this.#makeFilter();
  }

  mayHold(key: string): boolean {
    return this.#filter?.has(key) ?? true;
  }

  async get<Value>(key: string): Promise<StoredData<Value> | undefined> {
    // What is on its way to the file is read from the queue.
    const queued = this.#rows.get(key);
    const now = this.#options.clock.now();
    if (queued !== undefined) {
      return queued.expires > now ? (queued.value as StoredData<Value>) : undefined;
    }
    if (this.#drops.has(key)) return undefined;
    await this.#ready();
    return this.#reader.call<StoredData<Value> | undefined>('get', { key, now });
  }

  set(key: string, value: unknown, ttl?: number): Promise<boolean> {
    const expires = ttl === undefined ? Number.MAX_SAFE_INTEGER : this.#options.clock.now() + ttl;
    this.#drops.delete(key);
    this.#rows.set(key, { value: String(value), expires: Math.floor(expires) });
    this.#note(key);
    return this.#write();
  }

  /** All in one transaction. */
  async setMany(entries: readonly { key: string; value: unknown; ttl?: number }[]): Promise<void> {
    await Promise.all(entries.map(({ key, value, ttl }) => this.set(key, value, ttl)));
  }

  delete(key: string): Promise<boolean> {
    this.#rows.delete(key);
    this.#drops.add(key);
    return this.#write();
  }

  async clear(): Promise<void> {
    await this.clearMatching(undefined);
  }

  /** Removes keys that match the regular expression (all without one); gives how many went. */
  async clearMatching(pattern: string | undefined): Promise<number> {
    await this.#written();
    await this.#ready();
    const gone = await this.#writer.call<number>('clear', { pattern });
    if (gone > 0) await this.#makeFilter();
    return gone;
  }

  async sweep(): Promise<number> {
    await this.#ready();
    const gone = await this.#writer.call<number>('sweep', { now: this.#options.clock.now() });
    if (this.#filter?.isCrowded ?? true) await this.#makeFilter();
    return gone;
  }

  async stats(): Promise<StoreStats> {
    await this.#ready();
    return this.#writer.call<StoreStats>('stats', undefined);
  }

  async disconnect(): Promise<void> {
    await this.#written();
    await Promise.all([this.#writer.close(), this.#reader.close()]);
  }

  on(): this {
    return this;
  }

  /** The reader needs the tables that the writer makes. */
  #ready(): Promise<unknown> {
    this.#opened ??= this.#writer.call('open', undefined).catch((error: unknown) => {
      this.#opened = undefined;
      throw error;
    });
    return this.#opened;
  }

  #note(key: string): void {
    this.#filter?.add(key);
    this.#meanwhile?.push(key);
  }

  /** One after the other: what is stored while one is made must not be missing in the next. */
  #makeFilter(): Promise<void> {
    this.#making = this.#making.then(async () => {
      this.#meanwhile = [...this.#rows.keys()];
      try {
        const filter = new KeyFilter(await this.#writer.call<Uint32Array>('filter', undefined));
        for (const key of this.#meanwhile) filter.add(key);
        this.#filter = filter;
      } catch (error) {
        // Without it every look-up asks the file: slower, and as right.
        this.#filter = undefined;
        this.#options.logger.warn({ err: error }, 'the keys of the cache file could not be read');
      }
      this.#meanwhile = undefined;
    });
    return this.#making;
  }

  /** What comes while a batch is written makes the next one. */
  async #written(): Promise<void> {
    while (this.#flush !== undefined) await this.#flush;
  }

  /** Everything that is set in one turn of the event loop goes into one transaction. */
  #write(): Promise<boolean> {
    this.#flush ??= new Promise<void>((resolve) => setImmediate(resolve))
      .then(async () => {
        const taken = [...this.#rows];
        const rows = taken.map(([key, row]) => ({ key, ...row }));
        const drops = [...this.#drops];
        await this.#ready();
        const { clock, maxBytes, compressAbove } = this.#options;
        const batch = {
          rows,
          drops,
          maxBytes: maxBytes(),
          compressAbove: compressAbove?.() ?? Infinity,
          now: clock.now(),
        };
        await this.#writer.call('apply', batch, 10_000);
        return { taken, drops };
      })
      .then(
        ({ taken, drops }) => {
          for (const [key, row] of taken) if (this.#rows.get(key) === row) this.#rows.delete(key);
          for (const key of drops) this.#drops.delete(key);
        },
        (error: unknown) => {
          // A cache that cannot write forgets; it must not grow in memory instead.
          this.#rows.clear();
          this.#drops.clear();
          this.#options.logger.warn({ err: error }, 'the cache file could not be written');
        },
      )
      .then(() => {
        this.#flush = undefined;
        if (this.#rows.size > 0 || this.#drops.size > 0) void this.#write();
      });
    return this.#flush.then(() => true);
  }
}
