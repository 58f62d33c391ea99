import { join } from 'node:path';
import type { HostedService } from '@sluice/cluster';
import type { ConfigStore } from '@sluice/config';
import type { Clock } from '@sluice/kernel';
import type { Logger } from '@sluice/observability';
import { EmbeddedVectorStore } from './stores/embedded.vector-store.js';
import { SECOND_TIER_SERVICE, VECTORS_SERVICE } from './stores/machine-stores.js';
import { SqliteKeyvStore } from './stores/sqlite-keyv.store.js';
import type { VectorSpace, VectorStore } from './stores/vector-store.js';

export interface CacheHost {
  readonly services: Readonly<Record<string, HostedService>>;
  /** Writes what is queued and closes the files. When all workers have gone. */
  close(): Promise<void>;
}

/**
 * What the owner of a machine runs for this room: the files of the second tier and of the vectors, each with the
 * one writer and the one index that it can have. Nothing is opened before a worker asks.
 */
export function cacheHost(config: ConfigStore, clock: Clock, logger: Logger): CacheHost {
  const { SLUICE_DATA_DIR: dir, CACHE_ENCRYPTION_KEY: encryptionKey } = config.env;
  const second = new SqliteKeyvStore({
    path: join(dir, 'cache.sqlite'),
    maxBytes: () => config.current.sluice.cache.l2.maxBytes,
    encryptionKey,
    compressAbove: () => config.current.sluice.cache.l2.compressAbove,
    clock,
    logger,
  });
  const vectors = new EmbeddedVectorStore(join(dir, 'cache-vectors.sqlite'), logger, {
    encryptionKey,
  });
  return {
    services: {
      [SECOND_TIER_SERVICE]: {
        open: second.open.bind(second),
        get: second.get.bind(second),
        set: second.set.bind(second),
        setMany: second.setMany.bind(second),
        delete: second.delete.bind(second),
        clearMatching: second.clearMatching.bind(second),
        sweep: second.sweep.bind(second),
        stats: second.stats.bind(second),
      },
      [VECTORS_SERVICE]: vectorService(vectors),
    },
    close: async () => {
      await Promise.allSettled([second.disconnect(), vectors.close()]);
    },
  };
}

/** Opening makes the index anew: a worker that comes later must not do that to those that are there. */
function vectorService(vectors: VectorStore): HostedService {
  let opened: { readonly name: string; readonly done: Promise<void> } | undefined;
  /** After a fault the thread may have been replaced by one that has opened nothing. */
  const guarded = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      opened = undefined;
      throw error;
    }
  };
  return {
    open: (space: VectorSpace) => {
      if (opened?.name !== space.name) {
        opened = { name: space.name, done: guarded(vectors.open(space)) };
      }
      return opened.done;
    },
    search: (query: Parameters<VectorStore['search']>[0]) => guarded(vectors.search(query)),
    upsert: (...args: Parameters<VectorStore['upsert']>) => guarded(vectors.upsert(...args)),
    remove: (ids: readonly string[]) => guarded(vectors.remove(ids)),
    clear: (pattern: string | undefined) => guarded(vectors.clear(pattern)),
    sweep: (now: number, maxEntries: number) => guarded(vectors.sweep(now, maxEntries)),
    count: () => guarded(vectors.count()),
  };
}
