import { z } from 'zod';

const removed = z.object({ l1: z.int(), l2: z.int(), semantic: z.int() });

export const clearAnswer = z
  .object({ cleared: z.literal(true), removed })
  .meta({ examples: [{ cleared: true, removed: { l1: 12, l2: 12, semantic: 9 } }] });

export const cleanupAnswer = z
  .object({ removed })
  .meta({ examples: [{ removed: { l1: 3, l2: 3, semantic: 1 } }] });

export const warmAnswer = z
  .object({ warmed: z.int(), failed: z.int() })
  .meta({ examples: [{ warmed: 5, failed: 0 }] });

export const evictedAnswer = z.object({ evicted: z.int() }).meta({ examples: [{ evicted: 2 }] });

const tier = {
  hits: z.int(),
  misses: z.int(),
  hit_rate: z.number(),
  entries: z.int(),
  bytes: z.int(),
  evictions: z.int(),
  latency_ms: z.object({ p50: z.number().nullable(), p95: z.number().nullable() }),
};
const TIER = {
  hits: 40,
  misses: 60,
  hit_rate: 0.4,
  entries: 60,
  bytes: 120_000,
  evictions: 0,
  latency_ms: { p50: 0.06, p95: 0.3 },
};

export const statsAnswer = z
  .looseObject({
    hit_rate: z.number(),
    tiers: z.object({ l1: z.object(tier), l2: z.object(tier) }),
    semantic: z.looseObject({
      ...tier,
      state: z.string(),
      embedder: z.string(),
      vetoes: z.record(z.string(), z.int()),
      shadow_checks: z.int(),
      wrong_hit_rate: z.object({ estimate: z.number(), lower: z.number(), upper: z.number() }),
    }),
    warming: z.looseObject({ promoted: z.int() }),
  })
  .meta({
    examples: [
      {
        hit_rate: 0.46,
        tiers: { l1: TIER, l2: { ...TIER, hits: 6 } },
        semantic: {
          ...TIER,
          hits: 2,
          state: 'open',
          embedder: 'lexical',
          vetoes: { number: 3 },
          shadow_checks: 12,
          wrong_hit_rate: { estimate: 0, lower: 0, upper: 0.24 },
        },
        warming: { promoted: 0 },
      },
    ],
  });
