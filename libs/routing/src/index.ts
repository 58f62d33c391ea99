export { AlertStore, type PerformanceAlert } from './alerts/alert.store.js';
export { PerformanceAlerts } from './alerts/performance.alerts.js';
export { CascadeRunner, type RunAttempts } from './cascade.runner.js';
export type {
  CandidateReport,
  CascadePlan,
  PromptFeatures,
  RouteDecision,
  RoutingLevel,
} from './decisions/decision.js';
export { DECISIONS_FOLDER, type LoggedDecision } from './decisions/decision.file.js';
export { DecisionLog } from './decisions/decision.log.js';
export type { ArmDelta, ArmMetric, ArmReport } from './experiments/arm.totals.js';
export { ExperimentLedger, type ExperimentReport } from './experiments/experiment.ledger.js';
export { ExperimentStore, MemoryExperimentStore } from './experiments/experiment.store.js';
export { FeedbackService } from './feedback/feedback.service.js';
export { FeedbackStore } from './feedback/feedback.store.js';
export { RuntimeFlags, type FlagState } from './flags/runtime.flags.js';
export {
  FlagStore,
  MemoryFlagStore,
  type FlagBounds,
  type FlagRecord,
} from './flags/flag.store.js';
export type { Fault, Finding, Inspection } from './inspection/answer.inspection.js';
export { inspectAnswer } from './inspection/inspect-answer.js';
export { RoutingLearning } from './learning/routing.learning.js';
export type { UpgradeState } from './learning/success.ledger.js';
export { PATHS, PathMonitor, type PathReport, type Verdict } from './performance/path.monitor.js';
export { PerformanceInterceptor } from './performance/performance.interceptor.js';
export { PostgresAlertStore } from './persistence/postgres-alert.store.js';
export { PostgresExperimentStore } from './persistence/postgres-experiment.store.js';
export { PostgresFeedbackStore } from './persistence/postgres-feedback.store.js';
export { PostgresFlagStore } from './persistence/postgres-flag.store.js';
export { PostgresReplicaStore } from './persistence/postgres-replica.store.js';
export { AlertSink } from './ports/alert-sink.port.js';
export { GradeCeiling } from './ports/grade-ceiling.port.js';
export { RoutingPorts } from './ports/routing-ports.js';
export { ShadowRunner, type ShadowResult } from './ports/shadow-runner.port.js';
export { TargetCatalog, type RoutableModel } from './ports/target-catalog.port.js';
export { TargetHealth, type BreakerState, type HealthReading } from './ports/target-health.port.js';
export { AUTO, Router } from './router.js';
export { RoutingModule } from './routing.module.js';
export { RoutingObserver } from './routing.observer.js';
export { ReplicaStore } from './sharing/replica.store.js';
