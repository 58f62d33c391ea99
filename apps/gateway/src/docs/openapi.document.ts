import { z } from 'zod';
import { anthropicError, anthropicStatus, openAiError } from '@sluice/chat';
import { chatContract } from '@sluice/contracts';
import { GatewayError, type ErrorCode } from '@sluice/kernel';
import { answerHeaderDocs, callParameters } from './header.docs.js';
import type { RouteDoc } from './route-doc.js';
import { ROUTES } from './route-docs.js';

type Json = Record<string, unknown>;

/** An OpenAPI 3.1 document. */
export type OpenApiDocument = Readonly<Json>;

const EXAMPLE_ID = '01a2018e-d4d4-7368-9ab2-1482b5324863';

/** The errors that a client must expect, by what they mean for it. */
const ERRORS: Readonly<Partial<Record<ErrorCode, string>>> = {
  invalid_request: 'The request is not valid: `code` and `param` say what and where.',
  unauthorized: 'No key, or a wrong, expired or revoked one.',
  budget_exhausted: 'A budget is spent.',
  forbidden: 'The key may not do this.',
  not_found: 'No such thing, or none that this caller may see.',
  model_not_found: 'No such model, or none that this caller may use.',
  body_too_large: 'The body is larger than `limits.bodyBytes`.',
  rate_limited: 'A rate or token limit was met; `retry-after` says when to come back.',
  upstream_error: 'The upstream failed.',
  overloaded: 'Overloaded, or stopped by an emergency shutdown.',
  upstream_timeout: 'The upstream did not answer in time.',
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
      schemas: {
        Error: jsonSchema(chatContract.openAiError, 'output'),
        AnthropicError: jsonSchema(chatContract.anthropicError, 'output'),
      },
      securitySchemes: {
        key: { type: 'http', scheme: 'bearer', description: 'An API key `sk-sluice-…` or a JWT.' },
        xApiKey: { type: 'apiKey', in: 'header', name: 'x-api-key' },
      },
    },
  };
}

function operation(route: RouteDoc): Json {
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
      ...(route.call === true ? callParameters() : []),
    ],
    ...(route.body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: { 'application/json': withExample(jsonSchema(route.body, 'input')) },
          },
        }),
    responses: {
      [String(route.status ?? 200)]: {
        description: 'OK',
        ...(route.call === true ? { headers: answerHeaderDocs() } : {}),
        content: answerContent(route),
      },
      ...Object.fromEntries(errorAnswers(route)),
    },
  };
}

function answerContent(route: RouteDoc): Json {
  const { answer, media = 'application/json', streamExample } = route;
  return {
    [media]: withExample(jsonSchema(answer, 'output')),
    ...(streamExample === undefined
      ? {}
      : { 'text/event-stream': { schema: { type: 'string' }, example: streamExample } }),
  };
}

function errorAnswers(route: RouteDoc): [string, Json][] {
  if (route.access !== 'open') return codesOf(route).map((code) => errorAnswer(route, code));
  if (!route.path.startsWith('/health')) return [];
  const report = withExample(jsonSchema(route.answer, 'output'));
  return [['503', { description: 'Not well.', content: { 'application/json': report } }]];
}

/** What this route can answer, and not a list of everything: a client should know what to handle. */
function codesOf(route: RouteDoc): ErrorCode[] {
  const codes: ErrorCode[] = ['invalid_request', 'unauthorized', 'forbidden', 'rate_limited'];
  if (route.body !== undefined) codes.push('body_too_large');
  if (route.call !== true) return route.path.includes('{') ? [...codes, 'not_found'] : codes;
  return [
    ...codes,
    'budget_exhausted',
    'model_not_found',
    'upstream_error',
    'overloaded',
    'upstream_timeout',
  ];
}

/** Made by the code that answers, so that status and shape are what a client gets. */
function errorAnswer(route: RouteDoc, code: ErrorCode): [string, Json] {
  const description = ERRORS[code] ?? '';
  const error = new GatewayError(code, description);
  const [status, example, name] =
    route.anthropic === true
      ? [anthropicStatus(error), anthropicError(error, EXAMPLE_ID), 'AnthropicError']
      : [error.status, openAiError(error), 'Error'];
  const schema = { $ref: `#/components/schemas/${name}` };
  return [String(status), { description, content: { 'application/json': { schema, example } } }];
}

/** The first example of the schema, also where tools that know no JSON Schema examples look for it. */
function withExample(schema: Json): Json {
  // zod leaves out the examples of what it transforms; then its first form has them.
  const [form] = (schema.anyOf ?? []) as readonly Json[];
  const [example] = (schema.examples ?? form?.examples ?? []) as readonly unknown[];
  return { schema, ...(example === undefined ? {} : { example }) };
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
