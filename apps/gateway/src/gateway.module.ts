import { Module, type DynamicModule, type OnModuleInit } from '@nestjs/common';
import { APP_FILTER, APP_GUARD } from '@nestjs/core';
import { TerminusModule } from '@nestjs/terminus';
import { ApiKeyGuard, AuthModule } from '@sluice/auth';
import { ChatModule, ChatPipeline } from '@sluice/chat';
import { ClusterModule, type MachineLink } from '@sluice/cluster';
import { ConfigModule, type ConfigStore } from '@sluice/config';
import { DatabaseModule } from '@sluice/database';
import { ModelCatalogModule } from '@sluice/model-catalog';
import { ObservabilityModule } from '@sluice/observability';
import { ProvidersModule } from '@sluice/providers';
import { RateLimitGuard, RateLimitModule } from '@sluice/rate-limit';
import { RedisModule } from '@sluice/redis';
import { RoutingModule } from '@sluice/routing';
import { CacheBindings, SemanticCacheModule } from '@sluice/semantic-cache';
import { TokenLimitsModule } from '@sluice/token-limits';
import { UsageModule } from '@sluice/usage';
import { SchedulesModule } from '../../worker/src/schedules.module.js';
import { ADMIN_CONTROLLERS } from './admin/admin.controllers.js';
import { BindingsModule } from './bindings/bindings.module.js';
import {
  PipelineFreshAnswer,
  PipelineWarmRunner,
  ProviderEmbeddings,
} from './bindings/cache.bindings.js';
import { LatePipeline } from './bindings/late-pipeline.js';
import { ChatController } from './chat/chat.controller.js';
import { ChatDoor } from './chat/chat.door.js';
import { CompletionBatchController } from './chat/completion-batch.controller.js';
import { CountTokensController } from './chat/count-tokens.controller.js';
import { EmbeddingsController } from './chat/embeddings.controller.js';
import { Idempotency } from './chat/idempotency.js';
import { ModelsController } from './chat/models.controller.js';
import { ReplyWriter } from './chat/reply.writer.js';
import { DashboardController } from './dashboard/dashboard.controller.js';
import { DocsController } from './docs/docs.controller.js';
import { GatewayExceptionFilter } from './errors/gateway-exception.filter.js';
import { FeedbackController } from './feedback.controller.js';
import { EventLoopMonitor } from './health/event-loop.monitor.js';
import { HealthController } from './health/health.controller.js';
import { MetricsController } from './health/metrics.controller.js';
import { LiveStreams } from './http/live-streams.js';
import { RequestObserver } from './http/request-observer.js';
import { Lifecycle } from './lifecycle.js';
import { OwnUsageController } from './usage/usage.controller.js';

/** See docs/pipeline.md: guards in this order, then the interceptor of the route, then the chat pipeline. */
@Module({})
export class GatewayModule implements OnModuleInit {
  static with(config: ConfigStore, link: MachineLink): DynamicModule {
    return {
      module: GatewayModule,
      imports: [
        ConfigModule.with(config),
        ClusterModule.with(link),
        ObservabilityModule,
        // The owner of several workers runs the embedded server for them.
        DatabaseModule.with(link.enabled ? 'join' : 'own'),
        RedisModule,
        ModelCatalogModule,
        BindingsModule,
        AuthModule,
        RateLimitModule,
        TokenLimitsModule,
        SemanticCacheModule,
        RoutingModule,
        ProvidersModule,
        UsageModule,
        ChatModule,
        TerminusModule.forRoot({ logger: false }),
        ...(link.first && runsSchedules(config) ? [SchedulesModule] : []),
      ],
      controllers: [
        ChatController,
        CompletionBatchController,
        CountTokensController,
        EmbeddingsController,
        ModelsController,
        FeedbackController,
        OwnUsageController,
        ...ADMIN_CONTROLLERS,
        HealthController,
        MetricsController,
        DashboardController,
        DocsController,
      ],
      providers: [
        ChatDoor,
        EventLoopMonitor,
        Idempotency,
        Lifecycle,
        LiveStreams,
        ReplyWriter,
        RequestObserver,
        { provide: APP_GUARD, useExisting: ApiKeyGuard },
        { provide: APP_GUARD, useExisting: RateLimitGuard },
        { provide: APP_FILTER, useClass: GatewayExceptionFilter },
      ],
    };
  }

  constructor(
    private readonly cache: CacheBindings,
    private readonly late: LatePipeline,
    private readonly pipeline: ChatPipeline,
    private readonly fresh: PipelineFreshAnswer,
    private readonly warm: PipelineWarmRunner,
    private readonly embeddings: ProviderEmbeddings,
  ) {}

  onModuleInit(): void {
    this.late.connect(this.pipeline);
    this.cache.bind({ fresh: this.fresh, warm: this.warm, embeddings: this.embeddings });
  }
}

/** With an embedded database there is no other process that could; else the worker does it unless told otherwise. */
function runsSchedules({ env }: ConfigStore): boolean {
  return env.WORKER_INLINE ?? env.DATABASE_URL === undefined;
}
