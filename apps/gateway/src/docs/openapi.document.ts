import { z } from 'zod';
import { chatContract } from '@sluice/contracts';
import type { RouteDoc } from './route-doc.js';
import { ROUTES } from './route-docs.js';

type Json = Record<string, unknown>;

/** An OpenAPI 3.1 document. */
export type OpenApiDocument = Readonly<Json>;

const ERRORS: Readonly<Record<string, string>> = {
  '400': 'The request is not valid: `code` and `param` say what and where.',
  '401': 'No key, or a wrong, expired or revoked one.',
  '402': 'A budget is spent.',
  '403': 'The key may not do this.',
  '429': 'A rate or token limit was met; `retry-after` says when to come back.',
  '502': 'The upstream failed.',
  '503': 'Overloaded, or stopped by an emergency shutdown.',
  '504': 'The upstream did not answer in time.',
};

/** OpenAPI 3.1 of every route, generated from the zod schemas that the doors and clients share. */
export function openApiDocument(version: string): OpenApiDocument {
  const paths: Record<string, Json> = {};
  for (const route of ROUTES) {
    (paths[route.path] ??= {})[route.method] = operation(route);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Sluice',
      version,
      description:
        'A gateway between applications and large language models. Point an OpenAI or Anthropic SDK at this server.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [],
    tags: [...new Set(ROUTES.map((r) => r.tag))].map((name) => ({ name })),
    paths,
    components: {
      schemas: { Error: jsonSchema(chatContract.openAiError, 'output') },
      securitySchemes: {
        key: { type: 'http', scheme: 'bearer', description: 'An API key `sk-sluice-…` or a JWT.' },
        xApiKey: { type: 'apiKey', in: 'header', name: 'x-api-key' },
      },
    },
  };
}

function operation(route: RouteDoc): Json {
  const errors = route.access === 'open' ? [] : Object.keys(ERRORS);
  return {
    tags: [route.tag],
    summary: route.summary,
    operationId: operationId(route),
    ...(route.access === 'open'
      ? { security: [] }
      : // An anonymous caller is allowed on callers' routes unless the operator has closed them.
        {
          security:
            route.access === 'admin'
              ? [{ key: [] }, { xApiKey: [] }]
              : [{ key: [] }, { xApiKey: [] }, {}],
        }),
    parameters: [
      ...[...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
        name,
        in: 'path',
        required: true,
        schema: { type: 'string' },
      })),
      ...queryParameters(route.query),
    ],
    ...(route.body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: { 'application/json': { schema: jsonSchema(route.body, 'input') } },
          },
        }),
    responses: {
      [String(route.status ?? 200)]: { description: 'OK', content: answerContent(route) },
      ...Object.fromEntries(
        errors.map((status) => [
          status,
          {
            description: ERRORS[status],
            content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
          },
        ]),
      ),
    },
  };
}

function answerContent(route: RouteDoc): Json {
  const { answer } = route;
  if (answer === undefined) return {};
  if (typeof answer === 'string') return { [answer]: { schema: {} } };
  return {
    'application/json': { schema: jsonSchema(answer, 'output') },
    ...(route.streams === true ? { 'text/event-stream': { schema: { type: 'string' } } } : {}),
  };
}

/** The properties of an object schema, one parameter each. */
function queryParameters(schema: z.ZodType | undefined): Json[] {
  if (schema === undefined) return [];
  const { properties = {}, required = [] } = jsonSchema(schema, 'input') as {
    properties?: Record<string, unknown>;
    required?: readonly string[];
  };
  return Object.entries(properties).map(([name, property]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    schema: property,
  }));
}

function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return rest;
}

function operationId(route: RouteDoc): string {
  const words = route.path.split(/[^A-Za-z0-9]+/).filter((w) => w !== '' && w !== 'v1');
  return route.method + words.map((w) => w.charAt(0).toUpperCase() + w.slice(1)).join('');
}
