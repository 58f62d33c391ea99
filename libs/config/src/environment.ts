import { z } from 'zod';
import { positive } from './units.schema.js';

const flag = z.stringbool({
  truthy: ['true', '1', 'on', 'yes'],
  falsy: ['false', '0', 'off', 'no'],
});
const text = z
  .string()
  .optional()
  .transform((s) => (s === '' ? undefined : s));
const list = z
  .string()
  .default('')
  .transform((s) =>
    s
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== ''),
  );
const wholeNumber = z.coerce.number({ error: 'expected a whole number' });
const number = wholeNumber.pipe(positive);

/** Every variable that Sluice reads, but for the families RATE_LIMIT_<TIER>_* and ENABLE_*. */
export const environmentSchema = z.object({
  PORT: wholeNumber
    .pipe(z.int().min(0).max(65535))
    .default(3000)
    .describe('Port to listen on; 0 takes any free one.'),
  HOST: z.string().default('127.0.0.1').describe('Address to listen on. `0.0.0.0` in the image.'),
  SLUICE_CONFIG: z
    .string()
    .default('config/sluice.yaml')
    .describe('Providers, models, routing, cache.'),
  SLUICE_POLICIES: z
    .string()
    .default('config/policies.yaml')
    .describe('Tiers, limits, budgets, alerts.'),
  SLUICE_DATA_DIR: z
    .string()
    .default('./data')
    .describe('Everything that embedded mode stores, and the usage spool.'),
  SLUICE_ADMIN_KEY: text.describe(
    'An admin API key to accept from the first start. Without it one is generated and written to `admin.key` (mode 0600) in the data directory.',
  ),
  SLUICE_KEY_PEPPER: text.describe(
    'Secret mixed into the hash of API keys. Generated into the data directory when absent; replicas must share one.',
  ),
  SLUICE_WORKERS: z
    .union([z.literal('auto'), number])
    .default(1)
    .describe(
      'Gateway processes that share the port; `auto` starts one per core. Limits and caches are theirs together, without any server; pools of DATABASE_POOL_MAX connections, `maxConcurrent` of providers and the first cache tier are of each.',
    ),
  DATABASE_URL: text.describe('Postgres 15 or newer. Embedded Postgres when absent.'),
  DATABASE_REPLICA_URL: text.describe('A read replica for reports.'),
  DATABASE_POOL_MAX: number
    .default(10)
    .describe('Connections for requests; the writer and reports have 2 each on top.'),
  REDIS_URL: text.describe(
    'Shared counters, second cache tier, invalidation. In process when absent.',
  ),
  QDRANT_URL: text.describe('Vector store of the semantic cache. In process when absent.'),
  QDRANT_API_KEY: text.describe('Key of that Qdrant.'),
  CACHE_ENCRYPTION_KEY: text.describe(
    'Encrypts cached answers at rest (AES-256-GCM); 32 bytes in base64 or hex.',
  ),
  JWT_SECRET: text.describe('Accept JWT bearer tokens signed with this secret (HS256).'),
  JWT_JWKS_URL: text.describe('Accept JWT bearer tokens signed by these keys (RS256, ES256).'),
  JWT_ISSUER: text.describe('The `iss` that tokens must carry.'),
  JWT_AUDIENCE: text.describe('The `aud` that tokens must carry.'),
  TRUST_PROXY: list.describe(
    'Addresses and CIDR ranges whose `X-Forwarded-For` is believed, separated by commas; also `loopback`, `linklocal`, `uniquelocal`.',
  ),
  RATE_LIMIT_ALLOWLIST: list.describe('Addresses and CIDR ranges that are never rate-limited.'),
  AWS_REGION: text.describe('Region of Bedrock where the provider names none.'),
  AWS_ACCESS_KEY_ID: text.describe('AWS credentials; any source of the AWS SDK works.'),
  AWS_SECRET_ACCESS_KEY: text.describe('AWS credentials.'),
  AWS_SESSION_TOKEN: text.describe('AWS credentials.'),
  AWS_PROFILE: text.describe('AWS credentials.'),
  AWS_BEARER_TOKEN_BEDROCK: text.describe('A Bedrock API key.'),
  AWS_WEB_IDENTITY_TOKEN_FILE: text.describe('AWS credentials.'),
  AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: text.describe('AWS credentials.'),
  AWS_CONTAINER_CREDENTIALS_FULL_URI: text.describe('AWS credentials.'),
  LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
    .default('info')
    .describe('Least level that is logged, as JSON lines on standard output.'),
  OTEL_EXPORTER_OTLP_ENDPOINT: text.describe(
    'OTLP/HTTP collector for traces. Nothing is loaded when absent.',
  ),
  OTEL_SERVICE_NAME: z.string().default('sluice').describe('Name of the service in traces.'),
  WORKER_INLINE: flag
    .optional()
    .describe(
      'Run background work inside the gateway process. True when absent and storage is embedded.',
    ),
  WORKER_PORT: wholeNumber
    .pipe(z.int().min(0).max(65535))
    .default(3001)
    .describe('Port of the worker process, for its health and metrics.'),
  SHUTDOWN_TIMEOUT_MS: number
    .default(30_000)
    .describe('How long live streams may run on after SIGTERM.'),
  SHUTDOWN_DELAY_MS: wholeNumber
    .pipe(z.int().nonnegative())
    .default(0)
    .describe('How long readiness answers 503 before the gateway stops accepting.'),
});

export interface RateLimitOverride {
  readonly perHour?: number;
  readonly burstPerMinute?: number;
}

export interface Environment extends z.output<typeof environmentSchema> {
  /**
   * RATE_LIMIT_<TIER>_PER_HOUR and RATE_LIMIT_<TIER>_BURST_PER_MINUTE, by tier name in lower case.
   * Already applied to `ConfigSnapshot.policies.tiers`.
   */
  readonly rateLimits: Readonly<Record<string, RateLimitOverride>>;
  /** ENABLE_<NAME> by name in lower snake case: `async_routing`, `predictive_caching`, … Absent means true. */
  readonly flags: Readonly<Record<string, boolean>>;
}
