import { Global, Module } from '@nestjs/common';
import { AuthModule } from '@sluice/auth';
import { ResponseHistory } from '@sluice/chat';
import { FeatureFlags } from '@sluice/kernel';
import { ProvidersModule } from '@sluice/providers';
import { AuditTrail } from '@sluice/rate-limit';
import {
  AlertSink,
  AlertStore,
  ExperimentStore,
  FeedbackStore,
  FlagStore,
  GradeCeiling,
  PostgresAlertStore,
  PostgresExperimentStore,
  PostgresFeedbackStore,
  PostgresFlagStore,
  PostgresReplicaStore,
  ReplicaStore,
  RoutingModule,
  RuntimeFlags,
  ShadowRunner,
  TargetHealth,
} from '@sluice/routing';
import { TokenLimitsModule } from '@sluice/token-limits';
import { UsageModule } from '@sluice/usage';
import { WebhookAlertSink } from './alert-sink.binding.js';
import { AuthAuditTrail } from './audit.binding.js';
import { PipelineFreshAnswer, PipelineWarmRunner, ProviderEmbeddings } from './cache.bindings.js';
import { LatePipeline } from './late-pipeline.js';
import { StoredResponses } from './response-history.binding.js';
import {
  BudgetGradeCeiling,
  PipelineShadowRunner,
  ProvidersTargetHealth,
} from './routing.bindings.js';

/** Every crossing from one room to another, on one screen: the port on the left, who serves it on the right. */
@Global()
@Module({
  imports: [AuthModule, ProvidersModule, RoutingModule, TokenLimitsModule, UsageModule],
  providers: [
    LatePipeline,
    PipelineFreshAnswer,
    PipelineWarmRunner,
    ProviderEmbeddings,
    { provide: AuditTrail, useClass: AuthAuditTrail },
    { provide: ResponseHistory, useClass: StoredResponses },
    { provide: TargetHealth, useClass: ProvidersTargetHealth },
    { provide: GradeCeiling, useClass: BudgetGradeCeiling },
    { provide: ShadowRunner, useClass: PipelineShadowRunner },
    { provide: AlertSink, useClass: WebhookAlertSink },
    { provide: AlertStore, useClass: PostgresAlertStore },
    { provide: FeatureFlags, useExisting: RuntimeFlags },
    { provide: FeedbackStore, useClass: PostgresFeedbackStore },
    { provide: FlagStore, useClass: PostgresFlagStore },
    { provide: ExperimentStore, useClass: PostgresExperimentStore },
    { provide: ReplicaStore, useClass: PostgresReplicaStore },
  ],
  exports: [
    LatePipeline,
    PipelineFreshAnswer,
    PipelineWarmRunner,
    ProviderEmbeddings,
    AuditTrail,
    ResponseHistory,
    TargetHealth,
    GradeCeiling,
    ShadowRunner,
    AlertSink,
    AlertStore,
    FeatureFlags,
    FeedbackStore,
    FlagStore,
    ExperimentStore,
    ReplicaStore,
  ],
})
export class BindingsModule {}
