import type { MachineLink } from '@sluice/cluster';
import type { StoredData } from 'keyv';
import type { SecondTierStore } from '../exact/second-tier.js';
import type { StoreStats } from './sqlite-keyv.store.js';
import {
  VectorStore,
  type VectorMatch,
  type VectorPoint,
  type VectorQuery,
  type VectorSpace,
} from './vector-store.js';

/** The services of the machine's owner, see `host.ts`. */
export const SECOND_TIER_SERVICE = 'cache.second';
export const VECTORS_SERVICE = 'cache.vectors';

/** The second tier that the owner of this machine keeps for all its workers: one file, one writer. */
export class MachineKeyvStore implements SecondTierStore {
  readonly encodes = true;
  opts: Record<string, unknown> = {};
  namespace?: string | undefined;

  constructor(private readonly link: MachineLink) {}

  open(): Promise<void> {
    return this.#call('open');
  }
  get<Value>(key: string): Promise<StoredData<Value> | undefined> {
    return this.#call('get', key);
  }
  set(key: string, value: unknown, ttl?: number): Promise<boolean> {
    return this.#call('set', key, value, ttl);
  }
  setMany(entries: readonly { key: string; value: unknown; ttl?: number }[]): Promise<void> {
    return this.#call('setMany', entries);
  }
  delete(key: string): Promise<boolean> {
    return this.#call('delete', key);
  }
  async clear(): Promise<void> {
    await this.clearMatching(undefined);
  }
  clearMatching(pattern: string | undefined): Promise<number> {
    return this.#call('clearMatching', pattern);
  }
  sweep(): Promise<number> {
    return this.#call('sweep');
  }
  stats(): Promise<StoreStats> {
    return this.#call('stats');
  }
  /** The owner closes it when all workers have gone. */
  disconnect(): Promise<void> {
    return Promise.resolve();
  }
  on(): this {
    return this;
  }

  #call<T>(method: string, ...args: readonly unknown[]): Promise<T> {
    return this.link.call<T>(SECOND_TIER_SERVICE, method, args);
  }
}

/** The vectors that the owner of this machine keeps for all its workers: one index, one file. */
export class MachineVectorStore extends VectorStore {
  override readonly encodes = true;

  constructor(private readonly link: MachineLink) {
    super();
  }

  open(space: VectorSpace): Promise<void> {
    return this.#call('open', space);
  }
  search(query: VectorQuery): Promise<VectorMatch[]> {
    return this.#call('search', query);
  }
  upsert(points: readonly VectorPoint[], maxEntries?: number): Promise<void> {
    // What is undefined would arrive as null.
    return maxEntries === undefined
      ? this.#call('upsert', points)
      : this.#call('upsert', points, maxEntries);
  }
  remove(ids: readonly string[]): Promise<void> {
    return this.#call('remove', ids);
  }
  clear(pattern: string | undefined): Promise<number> {
    return this.#call('clear', pattern);
  }
  sweep(now: number, maxEntries: number): Promise<number> {
    return this.#call('sweep', now, maxEntries);
  }
  count(): Promise<number> {
    return this.#call('count');
  }
  /** The owner closes it when all workers have gone. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  #call<T>(method: keyof VectorStore, ...args: readonly unknown[]): Promise<T> {
    return this.link.call<T>(VECTORS_SERVICE, method, args);
  }
}
