import { expect, it } from '@jest/globals';
import { Controller, Get, Global, Module, UseGuards } from '@nestjs/common';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { ConfigStore, policiesSchema } from '@sluice/config';
import { Clock, ManualClock } from '@sluice/kernel';
import { Logger, Metrics, SilentLogger } from '@sluice/observability';
import { MachineLink, SoleProcess } from '@sluice/cluster';
import { DisabledRedisConnection, RedisConnection } from '@sluice/redis';
import { Database } from '@sluice/database';
import { AuditTrail } from './audit-trail.port.js';
import { RateLimitGuard } from './rate-limit.guard.js';
import { RateLimitModule } from './rate-limit.module.js';

it('the module puts the guard together for any controller that uses it', async () => {
  const policies = policiesSchema.parse({ tiers: { free: { requests: { perHour: 1 } } } });
  @Global()
  @Module({
    providers: [
      {
        provide: ConfigStore,
        useValue: { env: { rateLimits: {}, RATE_LIMIT_ALLOWLIST: [] }, current: { policies } },
      },
      { provide: Clock, useFactory: () => new ManualClock() },
      { provide: Logger, useClass: SilentLogger },
      { provide: RedisConnection, useClass: DisabledRedisConnection },
      { provide: MachineLink, useClass: SoleProcess },
      { provide: AuditTrail, useValue: { record: async () => undefined } },
      { provide: Database, useValue: { requests: { query: async () => ({ rows: [] }) } } },
      Metrics,
    ],
    exports: [
      ConfigStore,
      Clock,
      Logger,
      RedisConnection,
      MachineLink,
      AuditTrail,
      Database,
      Metrics,
    ],
  })
  class World {}
  @Controller()
  @UseGuards(RateLimitGuard)
  class Routes {
    @Get('here') here() {
      return {};
    }
  }
  @Module({ imports: [World, RateLimitModule], controllers: [Routes] })
  class App {}
  const module = await Test.createTestingModule({ imports: [App] }).compile();
  const app = module.createNestApplication<NestFastifyApplication>(new FastifyAdapter());
  app
    .getHttpAdapter()
    .getInstance()
    .addHook('onRequest', async (req) => {
      Object.assign(req, { caller: { tenant: 'default', id: 'a', tier: 'free', scopes: [] } });
    });
  await app.init();
  const answer = await app.inject({ method: 'GET', url: '/here' });
  expect(answer.headers['x-ratelimit-remaining']).toBe('0');
  expect((await app.inject({ method: 'GET', url: '/here' })).statusCode).toBe(500);
  await app.close();
});
