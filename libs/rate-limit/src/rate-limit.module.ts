import {
  Module,
  type OnApplicationBootstrap,
  type BeforeApplicationShutdown,
} from '@nestjs/common';
import { MachineLink } from '@sluice/cluster';
import { Clock } from '@sluice/kernel';
import { RedisConnection } from '@sluice/redis';
import { RateOverrideRepository } from './overrides/rate-override.js';
import { RateOverrides } from './overrides/rate-overrides.js';
import { SqlRateOverrideRepository } from './persistence/sql-rate-override.repository.js';
import { RateLimitGuard } from './rate-limit.guard.js';
import { RateLimitMetrics } from './rate-limit.metrics.js';
import { RateLimiter } from './rate-limiter.js';
import { Replicas } from './replicas.js';
import { FailoverRateStore } from './stores/failover-rate.store.js';
import { MachineRateStore } from './stores/machine-rate.store.js';
import { MemoryRateStore } from './stores/memory-rate.store.js';
import { RateStore } from './stores/rate.store.js';
import { RedisRateStore } from './stores/redis-rate.store.js';

/** Needs, provided globally by the app: AuditTrail, Database, RedisConnection, MachineLink, ConfigStore, Clock, Logger, Metrics. */
@Module({
  providers: [
    RateLimitGuard,
    RateLimiter,
    RateLimitMetrics,
    RateOverrides,
    { provide: RateOverrideRepository, useClass: SqlRateOverrideRepository },
    {
      provide: Replicas,
      useFactory: (redis: RedisConnection, clock: Clock) => new Replicas(redis, clock),
      inject: [RedisConnection, Clock],
    },
    {
      provide: RateStore,
      useFactory: (redis: RedisConnection, clock: Clock, replicas: Replicas, link: MachineLink) =>
        // With Redis, each worker of a machine is a replica like any other.
        link.enabled && !redis.enabled
          ? new MachineRateStore(link)
          : new FailoverRateStore(
              redis,
              new RedisRateStore(redis),
              new MemoryRateStore(clock),
              replicas,
            ),
      inject: [RedisConnection, Clock, Replicas, MachineLink],
    },
  ],
  exports: [RateLimitGuard, RateLimiter, RateLimitMetrics, RateOverrides, Replicas],
})
export class RateLimitModule implements OnApplicationBootstrap, BeforeApplicationShutdown {
  constructor(
    private readonly replicas: Replicas,
    private readonly overrides: RateOverrides,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.replicas.start();
    await this.overrides.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.overrides.stop();
    await this.replicas.stop();
  }
}
