import { join } from 'node:path';
import type { MachineLink } from '@sluice/cluster';
import type { ConfigStore } from '@sluice/config';
import type { Clock } from '@sluice/kernel';
import type { Logger } from '@sluice/observability';
import type { RedisConnection } from '@sluice/redis';
import type { SecondTierStore } from './exact/second-tier.js';
import { EmbeddedVectorStore } from './stores/embedded.vector-store.js';
import { MachineKeyvStore, MachineVectorStore } from './stores/machine-stores.js';
import type { QdrantVectorStore } from './stores/qdrant.vector-store.js';
import type { RedisKeyvStore } from './stores/redis-keyv.store.js';
import { SqliteKeyvStore } from './stores/sqlite-keyv.store.js';
import type { VectorStore } from './stores/vector-store.js';

/** Clients of servers, loaded only where the environment names one: together 700 files that most starts can do without. */
export interface ServerStores {
  readonly redis?: typeof RedisKeyvStore;
  readonly qdrant?: typeof QdrantVectorStore;
}

export async function loadServerStores({ env }: ConfigStore): Promise<ServerStores> {
  return {
    ...(env.REDIS_URL === undefined
      ? {}
      : { redis: (await import('./stores/redis-keyv.store.js')).RedisKeyvStore }),
    ...(env.QDRANT_URL === undefined
      ? {}
      : { qdrant: (await import('./stores/qdrant.vector-store.js')).QdrantVectorStore }),
  };
}

/**
 * The catalogue of stores: servers where the environment names them, else the
 * files of the data directory, which belong to this process or to the owner of the machine.
 */
export class SharedStores {
  constructor(
    private readonly config: ConfigStore,
    private readonly clock: Clock,
    readonly logger: Logger,
    private readonly redis: RedisConnection,
    private readonly servers: ServerStores,
    private readonly link: MachineLink,
  ) {}

  second(): SecondTierStore {
    const { REDIS_URL, SLUICE_DATA_DIR, CACHE_ENCRYPTION_KEY } = this.config.env;
    const { redis: RedisStore } = this.servers;
    if (REDIS_URL !== undefined && RedisStore !== undefined && this.redis.enabled) {
      return new RedisStore(REDIS_URL, this.redis);
    }
    if (this.link.enabled) return new MachineKeyvStore(this.link);
    return new SqliteKeyvStore({
      path: join(SLUICE_DATA_DIR, 'cache.sqlite'),
      maxBytes: () => this.config.current.sluice.cache.l2.maxBytes,
      encryptionKey: CACHE_ENCRYPTION_KEY,
      compressAbove: () => this.config.current.sluice.cache.l2.compressAbove,
      clock: this.clock,
      logger: this.logger,
    });
  }

  vectors(): VectorStore {
    const { QDRANT_URL, QDRANT_API_KEY, SLUICE_DATA_DIR, CACHE_ENCRYPTION_KEY } = this.config.env;
    const { qdrant: QdrantStore } = this.servers;
    if (QDRANT_URL !== undefined && QdrantStore !== undefined) {
      return new QdrantStore({ url: QDRANT_URL, apiKey: QDRANT_API_KEY });
    }
    if (this.link.enabled) return new MachineVectorStore(this.link);
    // A file of its own: two writers would wait for each other, and a damaged one is set aside alone.
    return new EmbeddedVectorStore(join(SLUICE_DATA_DIR, 'cache-vectors.sqlite'), this.logger, {
      encryptionKey: CACHE_ENCRYPTION_KEY,
    });
  }
}
