import type { Logger } from '@sluice/observability';
import { WorkerThread } from '../worker-thread.js';
import {
  VectorStore,
  type VectorMatch,
  type VectorPoint,
  type VectorQuery,
  type VectorSpace,
} from './vector-store.js';

/** Vectors in this process: usearch and SQLite in a thread of their own. Survives restarts and kill -9. */
export class EmbeddedVectorStore extends VectorStore {
  readonly #thread: WorkerThread;

  constructor(path: string, logger: Logger) {
    super();
    this.#thread = new WorkerThread('./vector.worker', import.meta.url, { path }, (notice) =>
      logger.error(notice, 'the file of the semantic cache is damaged and was set aside'),
    );
  }

  async open(space: VectorSpace): Promise<void> {
    await this.#thread.call('open', space);
  }

  search(query: VectorQuery): Promise<VectorMatch[]> {
    const { timeoutMs, ...rest } = query;
    return this.#thread.call<VectorMatch[]>('search', rest, timeoutMs);
  }

  async upsert(points: readonly VectorPoint[]): Promise<void> {
    await this.#thread.call('upsert', { points }, 10_000);
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
}
