import { Module } from '@nestjs/common';
import { MachineLink } from '@sluice/cluster';
import { ConfigStore } from '@sluice/config';
import { Clock } from '@sluice/kernel';
import { Logger } from '@sluice/observability';
import { RedisConnection } from '@sluice/redis';
import { CacheAdminService } from './admin/cache-admin.service.js';
import { ClearChannel } from './admin/clear-channel.js';
import { CacheBindings } from './cache-bindings.js';
import { CacheHousekeeping } from './cache-housekeeping.js';
import { CacheIdentities } from './cache-identity.js';
import { CacheLookup } from './cache-lookup.js';
import { CacheMetrics } from './cache-metrics.js';
import { CacheStorage } from './cache-storage.js';
import { CacheWriter } from './cache-writer.js';
import { Chance } from './control/chance.js';
import { ShadowChecks } from './control/shadow-checks.js';
import { LookupWatch } from './lookup-watch.js';
import { MemoryMonitor } from './memory-monitor.js';
import { RecentHits } from './recent-hits.js';
import { SemanticCacheInterceptor } from './semantic-cache.interceptor.js';
import { loadServerStores, SharedStores } from './shared-stores.js';
import { CacheWarmer } from './warming/cache-warmer.js';
import { PredictiveWarmer } from './warming/predictive-warmer.js';

/** Needs ConfigStore, Clock, Logger, Metrics, DeferredWork, RedisConnection and MachineLink; the app hands ports to {@link CacheBindings}. */
@Module({
  providers: [
    CacheAdminService,
    CacheBindings,
    CacheHousekeeping,
    CacheIdentities,
    CacheLookup,
    CacheMetrics,
    CacheStorage,
    CacheWarmer,
    CacheWriter,
    Chance,
    ClearChannel,
    LookupWatch,
    MemoryMonitor,
    PredictiveWarmer,
    RecentHits,
    SemanticCacheInterceptor,
    ShadowChecks,
    {
      provide: SharedStores,
      inject: [ConfigStore, Clock, Logger, RedisConnection, MachineLink],
      useFactory: async (
        config: ConfigStore,
        clock: Clock,
        logger: Logger,
        redis: RedisConnection,
        link: MachineLink,
      ) => new SharedStores(config, clock, logger, redis, await loadServerStores(config), link),
    },
  ],
  exports: [
    CacheAdminService,
    CacheBindings,
    CacheIdentities,
    CacheMetrics,
    SemanticCacheInterceptor,
  ],
})
export class SemanticCacheModule {}
