import { z } from 'zod';

export const flagsAnswer = z
  .object({
    flags: z.record(z.string(), z.boolean()),
    data: z.array(
      z.object({
        name: z.string(),
        enabled: z.boolean(),
        source: z.string().meta({ description: 'Who says so: the default, a variable, the API.' }),
        reason: z.string().nullable(),
        updated_at: z.iso.datetime().nullable(),
        observe: z
          .object({
            share: z.number(),
            p95_bound: z.number(),
            error_bound: z.number(),
            min_calls: z.int(),
          })
          .nullable(),
      }),
    ),
  })
  .meta({
    examples: [
      {
        flags: { semantic_cache: true },
        data: [
          {
            name: 'semantic_cache',
            enabled: true,
            source: 'default',
            reason: null,
            updated_at: null,
            observe: null,
          },
        ],
      },
    ],
  });

export const configAnswer = z
  .object({
    version: z.int(),
    loaded_at: z.iso.datetime(),
    rejected: z
      .array(z.string())
      .meta({ description: 'Why the last reload was not taken; empty when it was.' }),
    config: z.looseObject({ sluice: z.looseObject({}), policies: z.looseObject({}) }),
  })
  .meta({
    examples: [
      {
        version: 1,
        loaded_at: '2026-11-22T04:40:12.257Z',
        rejected: [],
        config: { version: 1, sluice: { providers: [] }, policies: { tiers: {} } },
      },
    ],
  });

export const reloadAnswer = z
  .object({
    applied: z.boolean().meta({ description: 'False when nothing had changed.' }),
    version: z.int(),
  })
  .meta({ examples: [{ applied: true, version: 2 }] });
