import type { Logger } from '@sluice/observability';
import { KeyFilter } from '../exact/key-filter.js';
import { WorkerThread } from '../worker-thread.js';
import {
  VectorStore,
  type VectorMatch,
  type VectorPoint,
  type VectorQuery,
  type VectorSpace,
} from './vector-store.js';

export interface Sealing {
  readonly encryptionKey: string | undefined;
}

/** Vectors in this process: usearch and SQLite in a thread of their own. Survives restarts and kill -9. */
export class EmbeddedVectorStore extends VectorStore {
  override readonly encodes: boolean;
  readonly #thread: WorkerThread;
  /** What a new thread begins with: one that died is replaced at the next call. */
  readonly #data: {
    readonly path: string;
    readonly sealing: Sealing | undefined;
    space?: VectorSpace;
  };
  /** Of scopes and fingerprints that have points; undefined until all points are in the index. */
  #filter: KeyFilter | undefined;
  /** Batches of names on their way: a filter that comes before their answer was made without them, one that comes after it was not. */
  readonly #unseen = new Set<readonly string[]>();

  /** @param sealing without it points come packed and sealed already */
  constructor(path: string, logger: Logger, sealing?: Sealing) {
    super();
    this.encodes = sealing !== undefined;
    this.#data = { path, sealing };
    this.#thread = new WorkerThread(
      './vector.worker',
      import.meta.url,
      this.#data,
      ({ partitions, ...notice }) => {
        // What the worker says of partitions are the words of a filter.
        if (partitions !== undefined) this.#indexed(partitions as Uint32Array);
        else logger.error(notice, 'the file of the semantic cache is damaged and was set aside');
      },
    );
  }

  override mayHold(scope: string, fingerprint: string): boolean {
    return this.#filter?.has(`${scope}/${fingerprint}`) ?? true;
  }

  override isBehind(timeoutMs: number): boolean {
    return this.#thread.behindMs > timeoutMs;
  }

  async open(space: VectorSpace): Promise<void> {
    this.#filter = undefined;
    await this.#thread.call('open', space);
    this.#data.space = space;
  }

  search(query: VectorQuery): Promise<VectorMatch[]> {
    const { timeoutMs, ...rest } = query;
    return this.#thread.call<VectorMatch[]>('search', rest, timeoutMs);
  }

  async upsert(points: readonly VectorPoint[], maxEntries?: number): Promise<void> {
    const names = points.map(({ scope, fingerprint }) => `${scope}/${fingerprint}`);
    for (const name of names) this.#filter?.add(name);
    this.#unseen.add(names);
    try {
      await this.#thread.call('upsert', { points, maxEntries }, 10_000);
    } finally {
      this.#unseen.delete(names);
    }
  }

  async remove(ids: readonly string[]): Promise<void> {
    await this.#thread.call('remove', { ids });
  }

  clear(pattern: string | undefined): Promise<number> {
    return this.#thread.call<number>('clear', { pattern });
  }

  sweep(now: number, maxEntries: number): Promise<number> {
    return this.#thread.call<number>('sweep', { now, maxEntries });
  }

  count(): Promise<number> {
    return this.#thread.call<number>('count', undefined);
  }

  close(): Promise<void> {
    return this.#thread.close();
  }

  /** Everything whose answer has come is in the index now, and these are its partitions. */
  #indexed(words: Uint32Array): void {
    const filter = new KeyFilter(words);
    for (const names of this.#unseen) for (const name of names) filter.add(name);
    this.#filter = filter;
  }
}
