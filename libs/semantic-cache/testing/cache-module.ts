import { Global, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MachineLink, SoleProcess } from '@sluice/cluster';
import { ConfigStore, configFromObjects, type SluiceConfigInput } from '@sluice/config';
import {
  ChatReply,
  Clock,
  FeatureFlags,
  SystemClock,
  type ChatCall,
  type FeatureFlag,
} from '@sluice/kernel';
import { DeferredWork, Logger, Metrics } from '@sluice/observability';
import { DisabledRedisConnection, RedisConnection } from '@sluice/redis';
import { CacheAdminService } from '../src/admin/cache-admin.service.js';
import { SemanticCacheInterceptor } from '../src/semantic-cache.interceptor.js';
import { SemanticCacheModule } from '../src/semantic-cache.module.js';
import { answer } from './cache-calls.js';
import { RecordingLogger } from './logs.js';

/** Flags that a test switches while calls run. */
class Switches extends FeatureFlags {
  readonly off = new Set<FeatureFlag>();
  isOn(flag: FeatureFlag): boolean {
    return !this.off.has(flag);
  }
}

export interface CacheModuleOptions {
  readonly cache?: NonNullable<SluiceConfigInput['cache']>;
  readonly redis?: RedisConnection;
  readonly env?: Readonly<Record<string, string>>;
}

/** The room as the gateway starts it, on real files, in front of an upstream that counts its calls. */
export async function startCache(dataDir: string, options: CacheModuleOptions = {}) {
  const config = configFromObjects({
    sluice: {
      cache: options.cache ?? {},
      providers: [{ id: 'p', kind: 'sandbox' }],
      models: [{ id: 'small', provider: 'p', price: { input: 1, output: 1 } }],
    },
    env: { SLUICE_DATA_DIR: dataDir, ...options.env },
  });
  const logger = new RecordingLogger();
  const deferred = new DeferredWork(logger);
  const metrics = new Metrics();
  const flags = new Switches();
  const world = [
    { provide: ConfigStore, useValue: config },
    { provide: Clock, useValue: new SystemClock() },
    { provide: Logger, useValue: logger },
    { provide: DeferredWork, useValue: deferred },
    { provide: Metrics, useValue: metrics },
    { provide: FeatureFlags, useValue: flags },
    { provide: MachineLink, useValue: new SoleProcess() },
    { provide: RedisConnection, useValue: options.redis ?? new DisabledRedisConnection() },
  ];
  @Global()
  @Module({ providers: world, exports: world.map(({ provide }) => provide) })
  class World {}
  @Module({ imports: [World, SemanticCacheModule] })
  class App {}
  const app = await NestFactory.createApplicationContext(App, { logger: false });
  const interceptor = app.get(SemanticCacheInterceptor);
  let upstream = 0;
  return {
    logger,
    flags: flags.off,
    admin: app.get(CacheAdminService),
    metric: async (name: string): Promise<string> =>
      (await metrics.registry.getSingleMetricAsString(name)).replace(/^#.*\n?/gm, ''),
    upstreamCalls: () => upstream,
    /** Tells how the call was answered. `during` happens while the upstream works. */
    send: async (call: ChatCall, said = 'A.', during?: () => Promise<unknown>) => {
      const reply = await interceptor.around(call, async () => {
        upstream++;
        await during?.();
        return ChatReply.message(answer(said));
      });
      reply.take();
      return call.journal.cache;
    },
    /** Until all that was answered is stored. */
    settle: () => deferred.drain(10_000),
    /** As the gateway stops: deferred work first, then the modules. */
    stop: async () => {
      await deferred.drain(10_000);
      deferred.close();
      await app.close();
    },
  };
}
