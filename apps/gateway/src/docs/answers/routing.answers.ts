import { z } from 'zod';

const nullableNumber = z.number().nullable();
const grade = z.enum(['simple', 'medium', 'complex']);

const path = z.object({
  calls: z.int(),
  failures: z.int(),
  p50_ms: nullableNumber,
  p95_ms: nullableNumber,
  p99_ms: nullableNumber,
  success_rate: nullableNumber,
  baseline_p95_ms: nullableNumber,
  degraded: z.boolean(),
  target: z.object({ p95_ms: z.number(), success_rate: z.number() }).optional(),
  verdict: z.enum(['met', 'missed', 'no_data']).optional(),
});
const PATH = {
  calls: 21,
  failures: 0,
  p50_ms: 45.5,
  p95_ms: 130.3,
  p99_ms: 140,
  success_rate: 1,
  baseline_p95_ms: 120,
  degraded: false,
};

export const performanceAnswer = z
  .object({
    window_seconds: z.int(),
    paths: z.object({ cache: path, direct: path, mcp: path, hybrid: path }),
    models: z.record(z.string(), path),
    alerts: z.array(
      z.object({
        kind: z.string(),
        subject: z.string(),
        message: z.string(),
        raised_at: z.iso.datetime(),
        resolved_at: z.iso.datetime().nullable(),
      }),
    ),
  })
  .meta({
    examples: [
      {
        window_seconds: 300,
        paths: Object.fromEntries(
          ['cache', 'direct', 'mcp', 'hybrid'].map((name) => [
            name,
            { ...PATH, target: { p95_ms: 300, success_rate: 0.98 }, verdict: 'met' },
          ]),
        ),
        models: { 'sandbox-small': PATH },
        alerts: [],
      },
    ],
  });

export const decisionsAnswer = z
  .object({
    object: z.literal('list'),
    data: z.array(
      z.object({
        id: z.string(),
        at: z.iso.datetime(),
        kind: z.string(),
        requested: z.string(),
        model: z.string(),
        grade: grade.nullable(),
        reason: z.string(),
        level: z.string(),
        path: z.string(),
        attempts: z.array(z.string()),
        cascade: z.looseObject({}).nullable(),
        experiment: z.looseObject({}).nullable(),
        features: z.looseObject({ prompt_tokens: z.int() }).nullable(),
        candidates: z.array(
          z.object({
            model: z.string(),
            scores: z.record(z.string(), z.number()).nullable(),
            total: nullableNumber,
            expected_cost_usd: nullableNumber,
            lost: z.string().nullable().meta({ description: 'Why not this one.' }),
          }),
        ),
        cached: z.boolean(),
        took_ms: z.number(),
      }),
    ),
  })
  .meta({
    examples: [
      {
        object: 'list',
        data: [
          {
            id: '01a2018e-d8e4-7f3e-98b3-0812ec22d4b7',
            at: '2026-11-22T04:41:08.580Z',
            kind: 'single',
            requested: 'auto',
            model: 'sandbox-small',
            grade: 'simple',
            reason: 'keyword',
            level: 'full',
            path: 'direct',
            attempts: ['sandbox-small', 'sandbox-medium'],
            cascade: null,
            experiment: null,
            features: { prompt_tokens: 12, keyword: 'simple' },
            candidates: [
              {
                model: 'sandbox-small',
                scores: { cost: 1, latency: 1, success: 0.97, load: 1 },
                total: 0.9,
                expected_cost_usd: 0.000029,
                lost: null,
              },
            ],
            cached: false,
            took_ms: 0.2,
          },
        ],
      },
    ],
  });

export const routedModelsAnswer = z
  .object({
    object: z.literal('list'),
    data: z.array(
      z.object({
        id: z.string(),
        provider: z.string(),
        provider_kind: z.string(),
        enabled: z.boolean(),
        grade: grade.nullable(),
        capabilities: z.array(z.string()),
        fallbacks: z.array(z.string()),
        context_tokens: z.int().nullable(),
        breaker: z.string(),
        cooldown_until: z.iso.datetime().nullable(),
        inflight: z.int(),
        max_concurrent: z.int(),
        success_rate: nullableNumber,
        performance: path,
        grades: z.array(
          z.object({
            grade,
            calls: z.number(),
            failures: z.number(),
            expected_success: z.number(),
            upgraded_until: z.iso.datetime().nullable(),
          }),
        ),
      }),
    ),
    estimate_threshold: z.looseObject({ value: nullableNumber }),
  })
  .meta({
    examples: [
      {
        object: 'list',
        data: [
          {
            id: 'sandbox-small',
            provider: 'sandbox',
            provider_kind: 'sandbox',
            enabled: true,
            grade: 'simple',
            capabilities: ['tools', 'vision', 'json'],
            fallbacks: ['sandbox-medium'],
            context_tokens: 128_000,
            breaker: 'closed',
            cooldown_until: null,
            inflight: 0,
            max_concurrent: 64,
            success_rate: 1,
            performance: PATH,
            grades: [
              {
                grade: 'simple',
                calls: 23,
                failures: 0,
                expected_success: 0.98,
                upgraded_until: null,
              },
            ],
          },
        ],
        estimate_threshold: { value: 0.4, source: 'trained', calls_seen: 0 },
      },
    ],
  });

const split = z.record(z.string(), z.number());

export const experimentsAnswer = z
  .object({
    object: z.literal('list'),
    data: z.array(z.object({ id: z.string(), split, sticky_by: z.string() })),
  })
  .meta({
    examples: [
      {
        object: 'list',
        data: [
          {
            id: 'routed-vs-large',
            split: { routed: 0.9, 'model:sandbox-large': 0.1 },
            sticky_by: 'caller',
          },
        ],
      },
    ],
  });

export const experimentAnswer = z
  .object({
    id: z.string(),
    split,
    sticky_by: z.string(),
    arms: z.array(
      z.object({
        arm: z.string(),
        calls: z.int(),
        metrics: z.record(z.string(), z.object({ calls: z.int(), mean: z.number() })),
        differences: z
          .record(
            z.string(),
            z.object({
              difference: z.number(),
              confidence_interval: z.unknown().meta({ description: '95 %; null for few calls.' }),
            }),
          )
          .nullable(),
      }),
    ),
  })
  .meta({
    examples: [
      {
        id: 'routed-vs-large',
        split: { routed: 0.9, 'model:sandbox-large': 0.1 },
        sticky_by: 'caller',
        arms: [
          {
            arm: 'routed',
            calls: 90,
            metrics: { success: { calls: 90, mean: 0.99 } },
            differences: null,
          },
          {
            arm: 'model:sandbox-large',
            calls: 10,
            metrics: { success: { calls: 10, mean: 1 } },
            differences: { success: { difference: 0.01, confidence_interval: [-0.01, 0.03] } },
          },
        ],
      },
    ],
  });
