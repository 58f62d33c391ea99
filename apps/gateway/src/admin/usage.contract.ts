import { z } from 'zod';

/** A UTC day, or a moment with its zone. */
const moment = z.union([z.iso.date(), z.iso.datetime({ offset: true })], {
  error: 'expected a date (2026-01-31) or a time with zone (2026-01-31T12:00:00Z)',
});
const name = z
  .string()
  .min(1)
  .max(256)
  .regex(/^\P{C}+$/u, { error: 'expected printable characters' });
const words = z
  .union([z.string(), z.array(z.string()).max(10)])
  .transform((value) => (typeof value === 'string' ? value.split(',') : value))
  .transform((list) => list.map((word) => word.trim()).filter((word) => word !== ''));

const range = {
  from: moment.optional(),
  /** A day counts as a whole; a moment is exclusive. */
  to: moment.optional(),
  /** Another tenant, for administrators of `default`. */
  tenant: name.optional(),
};

export const usageQuery = z.strictObject({
  ...range,
  group_by: words.default(['day']),
  model: name.optional(),
  provider: z.string().max(256).optional(),
  tier: name.optional(),
  caller: name.optional(),
  /** Empty for calls that named no agent. */
  agent: z.string().max(256).optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  cursor: z.string().min(1).max(4096).optional(),
});

export const usageExportQuery = z.strictObject(range);

export const eraseQuery = z.strictObject({ tenant: name.optional() });

export const callerId = z.strictObject({ id: name });

const sums = z.object({
  calls: z.int(),
  failures: z.int().nullable(),
  cache_hits: z.int().nullable(),
  coalesced: z.int().nullable(),
  estimated_calls: z.int().nullable(),
  input_tokens: z.int(),
  output_tokens: z.int(),
  total_tokens: z.int(),
  cached_input_tokens: z.int().nullable(),
  cache_write_tokens: z.int().nullable(),
  reasoning_tokens: z.int().nullable(),
  cost_usd: z.number(),
  saved_usd: z
    .object({ cache: z.number(), routing: z.number(), coalescing: z.number(), total: z.number() })
    .nullable(),
  latency_ms: z
    .object({ mean: z.number(), p50: z.number(), p95: z.number(), p99: z.number() })
    .nullable(),
});

const group = z.string().nullable().optional();

export const usageAnswer = z.object({
  object: z.literal('list'),
  from: z.iso.datetime(),
  to: z.iso.datetime(),
  group_by: z.array(z.string()),
  source: z.enum([
    'usage_daily',
    'usage_hourly',
    'usage_daily_agent',
    'usage_hourly_agent',
    'usage_daily_caller',
    'token_usage',
  ]),
  data: z.array(
    sums.extend({
      model: group,
      provider: group,
      tier: group,
      caller: group,
      agent: group,
      day: group,
      hour: group,
    }),
  ),
  totals: sums,
  has_more: z.boolean(),
  next_cursor: z.string().nullable(),
});

export const erasureAnswer = z
  .object({
    object: z.literal('erasure'),
    tenant: z.string(),
    caller: z.string(),
    deleted: z.object({ sessions: z.int(), history: z.int(), agent_states: z.int() }),
    anonymised_events: z.int(),
  })
  .meta({
    examples: [
      {
        object: 'erasure',
        tenant: 'default',
        caller: 'ada',
        deleted: { sessions: 1, history: 4, agent_states: 0 },
        anonymised_events: 12,
      },
    ],
  });

export type UsageSumsJson = z.output<typeof sums>;
export type UsageAnswerJson = z.output<typeof usageAnswer>;
export type ErasureJson = z.output<typeof erasureAnswer>;
