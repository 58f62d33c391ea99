import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { startGateway, type GatewayProcess } from '../gateway/gateway-process.js';

let gateway: GatewayProcess;
let ajv: Ajv2020;

beforeAll(async () => {
  const spec = JSON.parse(
    await readFile('test/fixtures/specs/openai-subset.openapi.json', 'utf8'),
  ) as { components: { schemas: Record<string, unknown> } };
  ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: false });
  ajv.addSchema({ $id: 'openai', components: withoutNullable(spec.components) }, 'openai');
  gateway = await startGateway();
});
afterAll(() => gateway.stop());

/** `nullable` is OpenAPI 3.0; the specification uses it in a 3.1 document, also beside `$ref` and `allOf`. */
function withoutNullable(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(withoutNullable);
  if (typeof node !== 'object' || node === null) return node;
  const { nullable, ...rest } = node as Record<string, unknown>;
  const inner = Object.fromEntries(
    Object.entries(rest).map(([key, value]) => [key, withoutNullable(value)]),
  );
  return nullable === true ? { anyOf: [inner, { type: 'null' }] } : inner;
}

function schema(name: string): ValidateFunction {
  return ajv.compile({ $ref: `openai#/components/schemas/${name}` });
}

function expectValid(name: string, value: unknown): void {
  const validate = schema(name);
  validate(value);
  expect(validate.errors ?? []).toEqual([]);
}

async function post(path: string, body: object): Promise<Response> {
  return fetch(gateway.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
}

async function frames(response: Response): Promise<unknown[]> {
  return (await response.text())
    .split('\n')
    .filter((line) => line.startsWith('data: {'))
    .map((line) => JSON.parse(line.slice(6)) as unknown);
}

const messages = [{ role: 'user', content: 'Name three rivers.' }];
const weather = {
  type: 'function',
  function: {
    name: 'weather',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
};

describe('answers validate against the OpenAI specification', () => {
  const completions: [string, object][] = [
    ['a completion', {}],
    ['two choices', { n: 2 }],
    ['a tool call', { tools: [weather], tool_choice: 'required' }],
    [
      'structured output',
      {
        response_format: {
          type: 'json_schema',
          json_schema: {
            name: 'r',
            schema: { type: 'object', properties: { a: { type: 'integer' } }, required: ['a'] },
          },
        },
      },
    ],
  ];
  it.each(completions)('%s', async (_name, extra) => {
    const body = { model: 'sandbox-small', messages, ...extra };
    const whole = await post('/v1/chat/completions', body);
    expect(whole.status).toBe(200);
    expectValid('CreateChatCompletionResponse', await whole.json());
    const stream = await post('/v1/chat/completions', {
      ...body,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = await frames(stream);
    expect(chunks.length).toBeGreaterThan(1);
    for (const chunk of chunks) expectValid('CreateChatCompletionStreamResponse', chunk);
  });

  it('a legacy completion', async () => {
    const answer = await post('/v1/completions', { model: 'sandbox-small', prompt: 'Once upon' });
    expectValid('CreateCompletionResponse', await answer.json());
  });

  it('a response of the Responses API', async () => {
    const answer = await post('/v1/responses', { model: 'sandbox-small', input: 'Hello' });
    expect(answer.status).toBe(200);
    expectValid('Response', await answer.json());
  });

  it('embeddings', async () => {
    const answer = await post('/v1/embeddings', { model: 'sandbox-embedding', input: ['a', 'b'] });
    expectValid('CreateEmbeddingResponse', await answer.json());
  });

  it('the list of models', async () => {
    const list = await (await fetch(`${gateway.url}/v1/models`)).json();
    expectValid('ListModelsResponse', list);
  });

  it('an error', async () => {
    const answer = await post('/v1/chat/completions', { model: 'none', messages });
    expectValid('ErrorResponse', await answer.json());
  });
});
