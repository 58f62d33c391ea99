import { z } from 'zod';

const indicator = z.looseObject({ status: z.enum(['up', 'down']) });

/** `GET /health` and `/health/ready`, by @nestjs/terminus; also the body of their 503. */
export const healthAnswer = z
  .object({
    status: z.enum(['ok', 'error', 'shutting_down']),
    info: z.record(z.string(), indicator),
    error: z.record(z.string(), indicator),
    details: z.record(z.string(), indicator),
  })
  .meta({
    examples: [
      {
        status: 'ok',
        info: { config: { status: 'up', version: 1, rejected: [] } },
        error: {},
        details: { config: { status: 'up', version: 1, rejected: [] } },
      },
    ],
  });

export const liveAnswer = z
  .object({ status: z.literal('ok') })
  .meta({ examples: [{ status: 'ok' }] });

export const metricsText = z.string().meta({
  examples: [
    '# HELP sluice_config_version Version of the configuration that serves.\n# TYPE sluice_config_version gauge\nsluice_config_version 1\n',
  ],
});

export const metricsJson = z
  .array(
    z.object({
      name: z.string(),
      help: z.string(),
      type: z.string(),
      aggregator: z.string(),
      values: z.array(
        z.object({
          value: z.number().nullable().meta({ description: 'null: not a number yet.' }),
          labels: z.record(z.string(), z.union([z.string(), z.number()])),
          metricName: z.string().optional(),
          exemplar: z.unknown().optional(),
        }),
      ),
    }),
  )
  .meta({
    examples: [
      [
        {
          name: 'sluice_config_version',
          help: 'Version of the configuration that serves.',
          type: 'gauge',
          aggregator: 'max',
          values: [{ value: 1, labels: {} }],
        },
      ],
    ],
  });

export const page = z.string().meta({ examples: ['<!doctype html>'] });

export const openApi = z
  .looseObject({ openapi: z.literal('3.1.0'), paths: z.looseObject({}) })
  .meta({ examples: [{ openapi: '3.1.0', info: { title: 'Sluice' }, paths: {} }] });

export const helloAnswer = z.looseObject({}).meta({ examples: [{ status: 'ok' }] });
