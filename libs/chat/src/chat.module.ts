import { Module } from '@nestjs/common';
import type { ChatInterceptor } from '@sluice/kernel';
import { ModelCatalogModule } from '@sluice/model-catalog';
import { ProvidersModule } from '@sluice/providers';
import { RoutingModule } from '@sluice/routing';
import { SemanticCacheModule } from '@sluice/semantic-cache';
import { TokenLimitsModule } from '@sluice/token-limits';
import { UsageModule } from '@sluice/usage';
import { ChatService } from './chat.service.js';
import { CoalescingInterceptor } from './coalescing.interceptor.js';
import { CompletionBatchRunner } from './completion-batch.runner.js';
import { EmbeddingCache } from './embedding.cache.js';
import { EmbeddingService } from './embedding.service.js';
import { EnsembleRunner } from './ensemble.runner.js';
import { CHAT_INTERCEPTORS, ChatPipeline } from './pipeline.js';
import { TokenCountService } from './token-count.service.js';
import { WireCatalogue } from './wire/wire-catalogue.js';

@Module({
  imports: [
    ModelCatalogModule,
    ProvidersModule,
    RoutingModule,
    SemanticCacheModule,
    TokenLimitsModule,
    UsageModule,
  ],
  providers: [
    ChatService,
    CoalescingInterceptor,
    CompletionBatchRunner,
    EmbeddingCache,
    EmbeddingService,
    EnsembleRunner,
    TokenCountService,
    WireCatalogue,
    {
      provide: ChatPipeline,
      inject: [ChatService, ...CHAT_INTERCEPTORS],
      useFactory: (service: ChatService, ...interceptors: ChatInterceptor[]) =>
        new ChatPipeline(interceptors, service),
    },
  ],
  exports: [
    ChatPipeline,
    CompletionBatchRunner,
    EmbeddingService,
    TokenCountService,
    WireCatalogue,
  ],
})
export class ChatModule {}
