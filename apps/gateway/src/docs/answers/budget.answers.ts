import { z } from 'zod';
import { usageAnswer } from '../../admin/usage.contract.js';

const budget = z.object({
  scope: z.string(),
  unit: z.enum(['tokens', 'input_tokens', 'output_tokens', 'usd']),
  period: z.string().meta({ description: 'A UTC day or month.' }),
  limit: z.number(),
  spent: z.number(),
  reserved: z.number().meta({ description: 'Held for calls in flight.' }),
  left: z.number(),
  projected: z.number().meta({ description: 'Expected at the end of the period.' }),
  resets_at: z.iso.datetime(),
});

const BUDGET = {
  scope: 'system',
  unit: 'usd',
  period: '2026-11',
  limit: 2000,
  spent: 12.5,
  reserved: 0.02,
  left: 1987.48,
  projected: 48.2,
  resets_at: '2026-12-01T00:00:00.000Z',
};

const shutdown = z.object({
  active: z.boolean(),
  manual: z.boolean(),
  automatic: z
    .array(z.unknown())
    .meta({ description: 'The system limits that passed `emergency.shutdownAt`.' }),
});

export const budgetsAnswer = z.object({ shutdown, budgets: z.array(budget) }).meta({
  examples: [{ shutdown: { active: false, manual: false, automatic: [] }, budgets: [BUDGET] }],
});

export const shutdownAnswer = z
  .object({ shutdown })
  .meta({ examples: [{ shutdown: { active: true, manual: true, automatic: [] } }] });

const alert = z.discriminatedUnion('type', [
  z.object({
    id: z.string(),
    type: z.literal('budget'),
    scope: z.string(),
    unit: z.string(),
    period: z.string(),
    threshold: z.number(),
    limit: z.number(),
    spent: z.number(),
    at: z.iso.datetime(),
    delivered_at: z.iso.datetime().nullable(),
  }),
  z.object({
    id: z.string(),
    type: z.literal('performance'),
    kind: z.string(),
    subject: z.string(),
    message: z.string(),
    at: z.iso.datetime(),
    resolved_at: z.iso.datetime().nullable(),
    delivered_at: z.iso.datetime().nullable(),
  }),
]);

export const alertsAnswer = z
  .object({
    alerts: z.array(alert),
    next: z.string().nullable().meta({ description: '`before` of the next page.' }),
  })
  .meta({
    examples: [
      {
        alerts: [
          {
            id: '01a2018e-d4d4-7368-9ab2-1482b5324863',
            type: 'budget',
            scope: 'system',
            unit: 'usd',
            period: '2026-11',
            threshold: 0.75,
            limit: 2000,
            spent: 1500.2,
            at: '2026-11-22T04:41:07.580Z',
            delivered_at: null,
          },
        ],
        next: null,
      },
    ],
  });

export const overrideAnswer = z
  .object({
    subject: z.string(),
    until: z.iso.datetime(),
    per_hour: z.int().optional(),
    unlimited: z.literal(true).optional(),
  })
  .meta({
    examples: [{ subject: 'default/ci', until: '2026-11-23T00:00:00.000Z', per_hour: 5000 }],
  });

const { totals, data } = usageAnswer.shape;

const SUMS = {
  calls: 2,
  failures: 0,
  cache_hits: 1,
  coalesced: 0,
  estimated_calls: 0,
  input_tokens: 24,
  output_tokens: 90,
  total_tokens: 114,
  cached_input_tokens: 0,
  cache_write_tokens: 0,
  reasoning_tokens: 0,
  cost_usd: 0.000058,
  saved_usd: { cache: 0.000029, routing: 0.001, coalescing: 0, total: 0.001029 },
  latency_ms: null,
};

export const ownUsageAnswer = z
  .object({
    object: z.literal('usage'),
    caller: z.string(),
    tier: z.string(),
    from: z.iso.datetime(),
    to: z.iso.datetime(),
    totals,
    by_day: data,
    by_model: data,
    limits: z.array(budget),
  })
  .meta({
    examples: [
      {
        object: 'usage',
        caller: 'build-server',
        tier: 'paid',
        from: '2026-11-01T00:00:00.000Z',
        to: '2026-11-23T00:00:00.000Z',
        totals: SUMS,
        by_day: [{ day: '2026-11-22', ...SUMS }],
        by_model: [{ model: 'sandbox-small', ...SUMS }],
        limits: [{ ...BUDGET, scope: 'caller:default/build-server' }],
      },
    ],
  });

export const usageReport = usageAnswer.meta({
  examples: [
    {
      object: 'list',
      from: '2026-11-01T00:00:00.000Z',
      to: '2026-11-23T00:00:00.000Z',
      group_by: ['model'],
      source: 'usage_daily',
      data: [{ model: 'sandbox-small', ...SUMS }],
      totals: SUMS,
      has_more: false,
      next_cursor: null,
    },
  ],
});

export const usageCsv = z.string().meta({
  examples: [
    'request_id,at,tenant,caller,…\n01a2018e-…,2026-11-22T04:41:07.609Z,"default","ci",…\n',
  ],
});

export const feedbackAnswer = z
  .object({ object: z.literal('feedback'), request_id: z.string(), score: z.number() })
  .meta({
    examples: [
      { object: 'feedback', request_id: '01a2018e-d4d4-7368-9ab2-1482b5324863', score: 1 },
    ],
  });
