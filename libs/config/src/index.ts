export { ConfigStore, type ConfigSnapshot, type ReloadResult } from './config.store.js';
export { ConfigModule, loadConfig } from './config.module.js';
export { ConfigError } from './problem.js';
export { environmentSecrets, redactUrl, redactedConfig, secretValues } from './redaction.js';
export { isProviderEnabled } from './provider-enabled.js';
export { configFromObjects, StaticConfigStore, type ConfigObjects } from './testing.js';
export { EnvironmentFlags } from './environment.flags.js';
export { environmentSchema, type Environment, type RateLimitOverride } from './environment.js';
export {
  policiesSchema,
  type ModelPolicy,
  type PoliciesConfig,
  type PoliciesConfigInput,
  type TierPolicy,
} from './policies.schema.js';
export {
  sluiceSchema,
  type CacheConfig,
  type EmbedderConfig,
  type EnsembleConfig,
  type ExperimentConfig,
  type ModelConfig,
  type ProviderConfig,
  type RoutingConfig,
  type SluiceConfig,
  type SluiceConfigInput,
} from './sluice.schema.js';
export { startFailure } from './start.failure.js';
export { keptFile } from './kept.file.js';
