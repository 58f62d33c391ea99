export type { Question } from './engine/attempt.js';
export { AttemptRunner } from './engine/attempt.runner.js';
export type { BreakerState } from './engine/circuit.breaker.js';
export { TargetHealth, type HealthView } from './engine/target.health.js';
export {
  ProviderAdapter,
  type EmbeddingAnswer,
  type EmbeddingRequest,
  type ProviderAnswer,
} from './provider-adapter.js';
export { ProviderRegistry, type AdapterLease, type ProviderStatus } from './provider.registry.js';
export { ProvidersModule } from './providers.module.js';
