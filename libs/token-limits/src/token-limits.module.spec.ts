import { expect, it } from '@jest/globals';
import { Global, Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { MachineLink, SoleProcess } from '@sluice/cluster';
import { ConfigStore, policiesSchema, sluiceSchema } from '@sluice/config';
import { Database } from '@sluice/database';
import { Clock, SystemClock } from '@sluice/kernel';
import { PromptCounter } from '@sluice/model-catalog';
import { DeferredWork, Logger, Metrics, SilentLogger } from '@sluice/observability';
import { DisabledRedisConnection, RedisConnection } from '@sluice/redis';
import { LimitsView } from './limits.view.js';
import { TokenLimitsInterceptor } from './token-limits.interceptor.js';
import { TokenLimitsModule } from './token-limits.module.js';

it('the module puts the room together, starts its upkeep and ends it', async () => {
  const current = { policies: policiesSchema.parse({}), sluice: sluiceSchema.parse({}) };
  const query = async () => ({ rows: [], rowCount: 0 });
  @Global()
  @Module({
    providers: [
      { provide: ConfigStore, useValue: { current, env: { SLUICE_DATA_DIR: '/dev/null' } } },
      { provide: Clock, useClass: SystemClock },
      { provide: Logger, useClass: SilentLogger },
      { provide: MachineLink, useClass: SoleProcess },
      { provide: RedisConnection, useClass: DisabledRedisConnection },
      { provide: Database, useValue: { requests: { query }, writer: { query } } },
      { provide: PromptCounter, useValue: { countPrompt: async () => 1 } },
      { provide: DeferredWork, useFactory: () => new DeferredWork(new SilentLogger()) },
      Metrics,
    ],
    exports: [
      ConfigStore,
      Clock,
      Logger,
      MachineLink,
      RedisConnection,
      Database,
      PromptCounter,
      DeferredWork,
      Metrics,
    ],
  })
  class World {}
  const module = await Test.createTestingModule({ imports: [World, TokenLimitsModule] }).compile();
  await module.init();
  expect(module.get(TokenLimitsInterceptor)).toBeInstanceOf(TokenLimitsInterceptor);
  expect(await module.get(LimitsView).all()).toEqual([]);
  await module.close();
});
