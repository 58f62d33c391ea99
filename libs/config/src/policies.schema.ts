import { z } from 'zod';
import { count, duration, positive, ratio, usd } from './units.schema.js';

const requests = z.union([
  z.literal('unlimited'),
  z.strictObject({ perHour: positive.optional(), burstPerMinute: positive.optional() }),
]);
const tokens = z.union([
  z.literal('unlimited'),
  z.strictObject({ perDay: count.optional(), perMonth: count.optional() }),
]);
const budget = z.union([
  z.literal('unlimited'),
  z.strictObject({ dailyUsd: usd.optional(), monthlyUsd: usd.optional() }),
]);

export const tierSchema = z.strictObject({
  requests: requests.default('unlimited'),
  tokens: tokens.default('unlimited'),
  budget: budget.default('unlimited'),
  /** Higher goes first when calls must wait. */
  priority: count.default(0),
  /** What all callers of the tier may spend together; `tokens` and `budget` above are each caller's own. */
  total: z.strictObject({ tokens: tokens.optional(), budget: budget.optional() }).optional(),
  /** Limits that replace the tier's on one route, keyed by path. */
  routes: z.record(z.string(), z.strictObject({ requests })).default({}),
});

const modelPolicySchema = z.strictObject({
  maxInputTokens: positive.optional(),
  maxOutputTokens: positive.optional(),
  inputTokensPerDay: positive.optional(),
  outputTokensPerDay: positive.optional(),
  tokensPerDay: positive.optional(),
  budget: budget.optional(),
});

export const policiesSchema = z.strictObject({
  tiers: z.record(z.string(), tierSchema).default({}),
  providers: z
    .record(
      z.string(),
      z.strictObject({
        budget: budget.optional(),
        models: z.record(z.string(), modelPolicySchema).default({}),
      }),
    )
    .default({}),
  tenants: z
    .record(z.string(), z.strictObject({ tokens: tokens.optional(), budget: budget.optional() }))
    .default({}),
  system: z
    .strictObject({
      tokensPerDay: positive.optional(),
      tokensPerMonth: positive.optional(),
      budget: budget.optional(),
    })
    .prefault({}),
  alerts: z
    .strictObject({
      thresholds: z.array(ratio).default([0.5, 0.75, 0.9, 0.95]),
      webhook: z
        .string()
        .optional()
        .transform((s) => (s === '' ? undefined : s)),
      webhookSecret: z
        .string()
        .optional()
        .transform((s) => (s === '' ? undefined : s)),
    })
    .prefault({}),
  emergency: z.strictObject({ shutdownAt: ratio.default(0.95) }).prefault({}),
  degrade: z
    .array(
      z.strictObject({
        at: ratio,
        from: z.enum(['simple', 'medium', 'complex']),
        to: z.enum(['simple', 'medium', 'complex']),
      }),
    )
    .default([]),
  throttle: z
    .strictObject({
      queue: z
        .strictObject({ maxWaiting: count.default(1000), maxWait: duration.prefault('30s') })
        .prefault({}),
      backoff: z
        .strictObject({ min: duration.prefault('1s'), max: duration.prefault('30s') })
        .prefault({}),
    })
    .prefault({}),
});

export type PoliciesConfig = z.output<typeof policiesSchema>;
export type PoliciesConfigInput = z.input<typeof policiesSchema>;
export type TierPolicy = z.output<typeof tierSchema>;
export type ModelPolicy = z.output<typeof modelPolicySchema>;
