import { Global, Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { describe, expect, it } from '@jest/globals';
import { ConfigStore } from '@sluice/config';
import { Clock, ManualClock } from '@sluice/kernel';
import { ModelCatalogModule } from '@sluice/model-catalog';
import { DeferredWork, Logger, Metrics, SilentLogger } from '@sluice/observability';
import { callOf, TestConfig, TestHealth, THREE_MODELS } from '../testing/routing.world.js';
import { CascadeRunner } from './cascade.runner.js';
import { PerformanceInterceptor } from './performance/performance.interceptor.js';
import { TargetHealth } from './ports/target-health.port.js';
import { Router } from './router.js';
import { RoutingModule } from './routing.module.js';
import { RoutingObserver } from './routing.observer.js';

const health = new TestHealth();
const logger = new SilentLogger();
const basics = [
  { provide: ConfigStore, useValue: new TestConfig(THREE_MODELS) },
  { provide: Clock, useValue: new ManualClock() },
  { provide: Logger, useValue: logger },
  { provide: Metrics, useFactory: () => new Metrics() },
  { provide: DeferredWork, useValue: new DeferredWork(logger) },
];

@Global()
@Module({ providers: basics, exports: [ConfigStore, Clock, Logger, Metrics, DeferredWork] })
class Unbound {}

@Global()
@Module({
  providers: [...basics, { provide: TargetHealth, useValue: health }],
  exports: [ConfigStore, Clock, Logger, Metrics, DeferredWork, TargetHealth],
})
class Bound {}

describe('the routing module', () => {
  it('works with nothing bound', async () => {
    const app = await Test.createTestingModule({
      imports: [Unbound, ModelCatalogModule, RoutingModule],
    }).compile();
    await app.init();
    expect(app.get(Router).route(callOf('What is TypeScript?')).chosen).toBe('small');
    for (const type of [CascadeRunner, PerformanceInterceptor, RoutingObserver])
      expect(app.get(type)).toBeDefined();
    await app.close();
  });

  it('takes what the app binds', async () => {
    const app = await Test.createTestingModule({
      imports: [Bound, ModelCatalogModule, RoutingModule],
    }).compile();
    health.set('small', { breaker: 'open' });
    expect(app.get(Router).route(callOf('What is TypeScript?')).chosen).toBe('medium');
    await app.close();
  });
});
