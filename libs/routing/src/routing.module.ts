import { Module } from '@nestjs/common';
import { PerformanceAlerts } from './alerts/performance.alerts.js';
import { CascadeRunner } from './cascade.runner.js';
import { DecisionFile } from './decisions/decision.file.js';
import { DecisionLog } from './decisions/decision.log.js';
import { ExperimentLedger } from './experiments/experiment.ledger.js';
import { ExperimentSplitter } from './experiments/experiment.splitter.js';
import { ShadowTraffic } from './experiments/shadow.traffic.js';
import { FeedbackService } from './feedback/feedback.service.js';
import { RuntimeFlags } from './flags/runtime.flags.js';
import { RoutingLearning } from './learning/routing.learning.js';
import { PathMonitor } from './performance/path.monitor.js';
import { PerformanceInterceptor } from './performance/performance.interceptor.js';
import { RoutingPorts } from './ports/routing-ports.js';
import { Router } from './router.js';
import { ReplicaExchange } from './sharing/replica.exchange.js';
import { RoutingMetrics } from './routing.metrics.js';
import { RoutingObserver } from './routing.observer.js';
import { AutoRoute } from './routes/auto.route.js';

/**
 * Needs ConfigStore, Clock, Logger, Metrics, DeferredWork and ModelCatalog from global modules. Takes from a global module, where the app
 * binds them: TargetHealth, GradeCeiling, TargetCatalog, ShadowRunner, FlagStore, ExperimentStore,
 * ReplicaStore, FeedbackStore, AlertStore, AlertSink.
 */
@Module({
  providers: [
    AutoRoute,
    CascadeRunner,
    DecisionFile,
    DecisionLog,
    ExperimentLedger,
    ExperimentSplitter,
    RuntimeFlags,
    FeedbackService,
    PathMonitor,
    PerformanceAlerts,
    PerformanceInterceptor,
    ReplicaExchange,
    Router,
    RoutingLearning,
    RoutingMetrics,
    RoutingObserver,
    RoutingPorts,
    ShadowTraffic,
  ],
  exports: [
    CascadeRunner,
    DecisionLog,
    ExperimentLedger,
    RuntimeFlags,
    FeedbackService,
    PathMonitor,
    PerformanceAlerts,
    PerformanceInterceptor,
    Router,
    RoutingLearning,
    RoutingObserver,
    RoutingPorts,
  ],
})
export class RoutingModule {}
