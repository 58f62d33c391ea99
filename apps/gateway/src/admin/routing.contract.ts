import { z } from 'zod';
import { FEATURE_FLAGS, type FeatureFlag } from '@sluice/kernel';

const ratio = z.number().min(0).max(1);
const flagName = z.enum(FEATURE_FLAGS, {
  error: `expected one of ${FEATURE_FLAGS.join(', ')}`,
});

export const decisionsQuery = z.object({
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  model: z.string().max(128).optional(),
  grade: z.enum(['simple', 'medium', 'complex']).optional(),
});

const observation = z.strictObject({
  /** Share of calls that have the flag; the rest is what they are compared with. */
  share: z.number().min(0.05).max(0.95).default(0.5),
  p95_bound: z.number().min(0).max(10).default(0.2),
  error_bound: ratio.default(0.02),
  min_calls: z.int().min(10).max(1_000_000).default(100),
});

const oneFlag = z
  .strictObject({
    name: flagName,
    enabled: z.boolean(),
    observe: observation.optional(),
  })
  .meta({ examples: [{ name: 'semantic_cache', enabled: false }] });

/** `{name, enabled, observe?}`, `{flags: {name: boolean}}`, or the map itself. */
export const setFlagsRequest = z.union(
  [
    oneFlag.transform((flag) => [flag]),
    z
      .strictObject({ flags: z.partialRecord(flagName, z.boolean()) })
      .transform(({ flags }) => toList(flags)),
    z.partialRecord(flagName, z.boolean()).transform(toList),
  ],
  { error: 'expected {name, enabled, observe?} or {flags: {name: true | false}}' },
);

/** `score` 0..1, or `rating`: 1 to 5, `up`, `down`. */
export const feedbackRequest = z
  .strictObject({
    request_id: z.string().min(1).max(128),
    score: ratio.optional(),
    rating: z.union([z.int().min(1).max(5), z.enum(['up', 'down', 'good', 'bad'])]).optional(),
  })
  .refine(({ score, rating }) => (score === undefined) !== (rating === undefined), {
    error: 'expected either score (0 to 1) or rating (1 to 5, up, down)',
  })
  .meta({ examples: [{ request_id: '01a2018e-d4d4-7368-9ab2-1482b5324863', rating: 'up' }] })
  .transform(({ request_id, score, rating }) => ({
    requestId: request_id,
    score: score ?? scoreOf(rating),
  }));

function scoreOf(rating: number | string | undefined): number {
  if (typeof rating === 'number') return (rating - 1) / 4;
  return rating === 'up' || rating === 'good' ? 1 : 0;
}

function toList(flags: Partial<Record<FeatureFlag, boolean>>): z.output<typeof oneFlag>[] {
  return FEATURE_FLAGS.flatMap((name) => {
    const enabled = flags[name];
    return enabled === undefined ? [] : [{ name, enabled }];
  });
}
