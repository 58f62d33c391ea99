export { UsageModule } from './usage.module.js';
export { UsageInterceptor } from './usage.interceptor.js';
export { PaidCallInterceptor } from './paid-call/paid-call.interceptor.js';
export { UsageRecorder } from './usage.recorder.js';
export {
  NO_SAVINGS,
  USAGE_OUTCOMES,
  type Savings,
  type UsageEvent,
  type UsageOutcome,
} from './usage-event.js';
export { correctionOf, type Correction } from './usage-event.builder.js';
export {
  UsageQueries,
  type CallerUsage,
  type Latency,
  type PageRequest,
  type UsageGroup,
  type UsageReport,
  type UsageSums,
} from './queries/usage.queries.js';
export {
  DIMENSIONS,
  FILTERS,
  type Dimension,
  type Filter,
  type UsageQuestion,
} from './queries/usage.question.js';
export type { UsageSource } from './queries/usage.plan.js';
export { UsageExport, type ExportQuestion } from './queries/usage.export.js';
export { CallerErasure, type Erased } from './jobs/caller.erasure.js';
export { UsageUpkeep } from './jobs/usage.upkeep.js';
export { type Difference } from './jobs/reconciliation.js';
export {
  HistoryRepository,
  type HistoryCursor,
  type HistoryEntry,
  type SessionKey,
} from './history/history.repository.js';
export { AgentStateRepository } from './history/agent-state.repository.js';
