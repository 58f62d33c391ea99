import { z } from 'zod';
import { byteSize, count, duration, id, positive, ratio, usd } from './units.schema.js';

const grade = z.enum(['simple', 'medium', 'complex']);

const providerBase = {
  id,
  maxConcurrent: positive.default(64),
  /** Whole non-streaming call. */
  timeout: duration.prefault('60s'),
  connectTimeout: duration.prefault('5s'),
  firstTokenTimeout: duration.prefault('30s'),
  idleTimeout: duration.prefault('60s'),
  weight: z.number().positive().default(1),
  /** Extra headers sent upstream with each call. */
  headers: z.record(z.string(), z.string()).default({}),
};
/** An empty key is an absent key: `${NAME}` of an unset variable gives the empty string. */
const secret = z
  .string()
  .optional()
  .transform((s) => (s === '' ? undefined : s));
const url = z.url({ protocol: /^https?$/ });

export const providerSchema = z.discriminatedUnion('kind', [
  z.strictObject({ ...providerBase, kind: z.literal('sandbox') }),
  z.strictObject({
    ...providerBase,
    kind: z.literal('openai'),
    baseUrl: url.default('https://api.openai.com/v1'),
    apiKey: secret,
    /** `azure`: key in `api-key`, `api-version` as query, deployment in the path. */
    flavor: z.enum(['openai', 'azure']).default('openai'),
    apiVersion: z.string().optional(),
    /** Servers without authentication (Ollama, vLLM) need no key. */
    auth: z.enum(['bearer', 'none']).default('bearer'),
  }),
  z.strictObject({
    ...providerBase,
    kind: z.literal('anthropic'),
    baseUrl: url.default('https://api.anthropic.com'),
    apiKey: secret,
  }),
  z.strictObject({
    ...providerBase,
    kind: z.literal('gemini'),
    baseUrl: url.default('https://generativelanguage.googleapis.com'),
    apiKey: secret,
  }),
  z.strictObject({
    ...providerBase,
    kind: z.literal('bedrock'),
    region: z.string().optional(),
    endpoint: url.optional(),
  }),
  z.strictObject({
    ...providerBase,
    kind: z.literal('mcp'),
    url,
    tool: z.string().min(1),
    apiKey: secret,
    /** Name of the tool's argument that takes the prompt. */
    argument: z.string().default('prompt'),
  }),
]);

export const priceSchema = z.strictObject({
  input: usd,
  output: usd,
  cachedInput: usd.optional(),
  cacheWrite: usd.optional(),
  reasoning: usd.optional(),
  request: usd.optional(),
});

export const modelSchema = z.strictObject({
  id,
  provider: id,
  upstream: z.string().min(1).optional(),
  /** One price, or several with the UTC date from which each holds. */
  price: z
    .union([priceSchema, z.array(priceSchema.extend({ from: z.iso.date() })).min(1)])
    .optional(),
  contextTokens: positive.optional(),
  maxOutputTokens: positive.optional(),
  grade: grade.optional(),
  capabilities: z
    .array(z.enum(['tools', 'vision', 'json', 'reasoning', 'audio', 'files', 'embeddings']))
    .default([]),
  fallbacks: z.array(id).default([]),
  /** How often the same target is tried again before its fallbacks. */
  retries: count.max(5).default(1),
  weight: z.number().positive().default(1),
  /** `hybrid`: this MCP model answers first; the named model takes over when it fails. */
  hybrid: id.optional(),
  /** Tiers that may use the model; all when left out. */
  tiers: z.array(z.string()).optional(),
});

export const ensembleSchema = z.strictObject({
  id,
  models: z.array(id).min(1).max(10),
  strategy: z.enum(['first', 'vote', 'best', 'mixture']).default('first'),
  maxModels: positive.max(10).default(3),
  timeout: duration.prefault('30s'),
  failFast: z.boolean().default(false),
});

const routingSchema = z.strictObject({
  default: z.string().default('auto'),
  keywords: z
    .strictObject({
      simple: z.array(z.string()).default(['what is', 'explain', 'simple question']),
      medium: z.array(z.string()).default(['review', 'analyze', 'compare']),
      complex: z.array(z.string()).default(['build', 'implement', 'refactor']),
    })
    .prefault({}),
  weights: z
    .strictObject({
      cost: z.number().nonnegative().default(0.5),
      latency: z.number().nonnegative().default(0.2),
      success: z.number().nonnegative().default(0.2),
      load: z.number().nonnegative().default(0.1),
      affinity: z.number().nonnegative().default(0.1),
    })
    .prefault({}),
  security: z.strictObject({ minimumGrade: grade.default('complex') }).prefault({}),
  upgrade: z
    .strictObject({
      window: duration.prefault('10m'),
      minCalls: positive.default(5),
      failureRate: ratio.default(0.3),
      cooldown: duration.prefault('10m'),
    })
    .prefault({}),
  /** Ask the cheap model first, inspect its answer, escalate when it fails. */
  cascade: z.enum(['on', 'off']).default('off'),
  /** Largest loss of quality accepted by the calibrated thresholds (0..1). */
  maxQualityLoss: ratio.default(0.05),
  hedging: z
    .strictObject({ enabled: z.boolean().default(false), after: duration.prefault('2s') })
    .prefault({}),
  deadline: duration.prefault('120s'),
  retryBudget: z
    .strictObject({ ratio: ratio.default(0.2), perSecond: z.number().nonnegative().default(10) })
    .prefault({}),
  breaker: z
    .strictObject({
      window: duration.prefault('30s'),
      minCalls: positive.default(10),
      failureRate: ratio.default(0.5),
      reset: duration.prefault('30s'),
      maxReset: duration.prefault('5m'),
    })
    .prefault({}),
  targets: z
    .strictObject({
      mcp: sloSchema('500ms', 0.95),
      direct: sloSchema('300ms', 0.98),
      hybrid: sloSchema('400ms', 0.97),
      cache: sloSchema('50ms', 0.99),
    })
    .prefault({}),
});

function sloSchema(p95: string, success: number) {
  return z
    .strictObject({ p95: duration.prefault(p95), success: ratio.default(success) })
    .prefault({});
}

const experimentSchema = z.strictObject({
  id,
  split: z.record(z.string(), ratio),
  stickyBy: z.enum(['caller', 'session', 'request']).default('caller'),
  /** A candidate model that gets a copy of the traffic in the background, never charged to the caller. */
  shadow: z.strictObject({ model: id, rate: ratio }).optional(),
});

const cacheSchema = z.strictObject({
  enabled: z.boolean().default(true),
  version: count.default(1),
  ttl: z
    .strictObject({
      default: duration.prefault('30m'),
      code: duration.prefault('1h'),
      planning: duration.prefault('24h'),
      embeddings: duration.prefault('24h'),
      /** Answers to questions about now ("today", "latest"). */
      fresh: duration.prefault('1m'),
    })
    .prefault({}),
  /** Calls above this temperature are cached only when they ask for it (`x-sluice-cache: on`). */
  maxTemperature: z.number().min(0).max(2).default(1),
  l1: z
    .strictObject({
      maxEntries: positive.default(10_000),
      maxBytes: byteSize.prefault('64mb'),
      ttl: duration.prefault('5m'),
    })
    .prefault({}),
  l2: z
    .strictObject({
      enabled: z.boolean().default(true),
      ttl: duration.prefault('1h'),
      compressAbove: byteSize.prefault('1kb'),
      maxBytes: byteSize.prefault('1gb'),
    })
    .prefault({}),
  scope: z.enum(['caller', 'tenant', 'global']).default('caller'),
  semantic: z
    .strictObject({
      enabled: z.boolean().default(true),
      threshold: ratio.default(0.95),
      embedder: z.string().default('lexical'),
      maxEntries: positive.default(100_000),
      targetWrongHits: ratio.default(0.02),
      shadowRate: ratio.default(0.01),
      /** Longest time the look-up may hold an answer back. */
      timeout: duration.prefault('50ms'),
      /** Model that judges shadow answers which a comparison cannot; none when left out. */
      judge: id.optional(),
    })
    .prefault({}),
  warming: z
    .strictObject({
      onStartup: z.boolean().default(true),
      queries: z
        .array(z.strictObject({ model: z.string(), prompt: z.string().min(1) }))
        .default([]),
    })
    .prefault({}),
});

const embedderSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('lexical') }),
  z.strictObject({
    kind: z.literal('openai'),
    provider: id,
    model: z.string(),
    dimensions: positive.max(8192),
    timeout: duration.prefault('1s'),
  }),
  z.strictObject({ kind: z.literal('transformers'), path: z.string() }),
]);

export const sluiceSchema = z.strictObject({
  providers: z.array(providerSchema).default([]),
  models: z.array(modelSchema).default([]),
  ensembles: z.array(ensembleSchema).default([]),
  routing: routingSchema.prefault({}),
  experiments: z.array(experimentSchema).default([]),
  cache: cacheSchema.prefault({}),
  embedders: z.record(z.string(), embedderSchema).default({ lexical: { kind: 'lexical' } }),
  coalescing: z.strictObject({ enabled: z.boolean().default(true) }).prefault({}),
  streaming: z.strictObject({ heartbeat: duration.prefault('15s') }).prefault({}),
  limits: z
    .strictObject({
      bodyBytes: byteSize.prefault('10mb'),
      promptTokens: positive.default(100_000),
      jsonDepth: positive.default(64),
      arrayLength: positive.default(10_000),
      choices: positive.default(16),
    })
    .prefault({}),
  auth: z.strictObject({ anonymous: z.boolean().default(true) }).prefault({}),
  cors: z.strictObject({ origins: z.array(z.string()).default([]) }).prefault({}),
  usage: z
    .strictObject({
      retention: duration.prefault('400d'),
      spoolMaxBytes: byteSize.prefault('1gb'),
      history: z
        .strictObject({
          /** Tiers whose prompts and answers are kept; none by default. */
          tiers: z.array(z.string()).default([]),
          retention: duration.prefault('30d'),
        })
        .prefault({}),
    })
    .prefault({}),
});

export type SluiceConfig = z.output<typeof sluiceSchema>;
export type SluiceConfigInput = z.input<typeof sluiceSchema>;
export type ProviderConfig = z.output<typeof providerSchema>;
export type ModelConfig = z.output<typeof modelSchema>;
export type EnsembleConfig = z.output<typeof ensembleSchema>;
export type ExperimentConfig = z.output<typeof experimentSchema>;
export type RoutingConfig = z.output<typeof routingSchema>;
export type CacheConfig = z.output<typeof cacheSchema>;
export type EmbedderConfig = z.output<typeof embedderSchema>;
