import { Module } from '@nestjs/common';
import { HttpClientModule } from '@sluice/http-client';
import { ModelCatalogModule } from '@sluice/model-catalog';
import { AttemptRunner } from './engine/attempt.runner.js';
import { EngineSettings } from './engine/engine.settings.js';
import { TargetHealth } from './engine/target.health.js';
import { ProviderMetrics } from './provider.metrics.js';
import { ProviderRegistry } from './provider.registry.js';

/** Needs ConfigStore, Clock, Logger and Metrics from the application. */
@Module({
  imports: [HttpClientModule, ModelCatalogModule],
  providers: [AttemptRunner, EngineSettings, ProviderMetrics, ProviderRegistry, TargetHealth],
  exports: [AttemptRunner, ProviderRegistry, TargetHealth],
})
export class ProvidersModule {}
