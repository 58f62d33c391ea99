import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { SANDBOX_CONFIG, startGateway, type GatewayProcess } from '../gateway/gateway-process.js';

interface Content {
  readonly schema: Record<string, unknown>;
  readonly example?: unknown;
}
interface Operation {
  readonly summary: string;
  readonly requestBody?: { readonly content: Record<string, Content> };
  readonly responses: Record<string, { readonly content: Record<string, Content> }>;
}

const EXPERIMENT = 'routed-vs-large';
const CONFIG = `${SANDBOX_CONFIG}
routing: { default: auto }
experiments:
  - { id: ${EXPERIMENT}, split: { routed: 0.5, "model:sandbox-large": 0.5 }, stickyBy: caller }
`;

let gateway: GatewayProcess;
let operations: [string, Operation][];
const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: false });

beforeAll(async () => {
  gateway = await startGateway({ config: CONFIG });
  const document = (await (await fetch(`${gateway.url}/docs-json`)).json()) as {
    paths: Record<string, Record<string, Operation>>;
    components: { schemas: Record<string, object> };
  };
  ajv.addSchema({ $id: 'document', ...document });
  operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, Operation] => [
      `${method.toUpperCase()} ${path}`,
      operation,
    ]),
  );
});
afterAll(() => gateway.stop());

/** What does not fit, as text; empty when all does. */
function faults(schema: Record<string, unknown>, value: unknown): string {
  const text = JSON.stringify(schema).replaceAll('"#/', '"document#/');
  const validate = ajv.compile(JSON.parse(text) as object);
  return validate(value) ? '' : ajv.errorsText(validate.errors);
}

const contents = (operation: Operation): [string, Content][] => [
  ...Object.entries(operation.requestBody?.content ?? {}),
  ...Object.values(operation.responses).flatMap(({ content }) => Object.entries(content)),
];

const success = (operation: Operation): [string, Content] => {
  const status = Object.keys(operation.responses).find((code) => code.startsWith('2')) ?? '';
  const [content = { schema: {} }] = Object.values(operation.responses[status]?.content ?? {});
  return [status, content];
};

describe('the OpenAPI document', () => {
  it('shows for each body and each answer a schema and an example that fits it', () => {
    expect(operations.length).toBeGreaterThan(45);
    const wrong: string[] = [];
    for (const [name, operation] of operations) {
      expect(operation.summary.length).toBeGreaterThan(5);
      for (const [media, { schema, example }] of contents(operation)) {
        if (Object.keys(schema).length === 0) wrong.push(`${name} ${media}: no schema`);
        if (example === undefined) wrong.push(`${name} ${media}: no example`);
        else if (faults(schema, example) !== '')
          wrong.push(`${name} ${media}: ${faults(schema, example)}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('says of each route what it really answers to its own example', async () => {
    const headers = {
      authorization: `Bearer ${gateway.adminKey}`,
      'content-type': 'application/json',
    };
    const call = async (name: string, body?: unknown) => {
      const [method = '', path = ''] = name.split(' ');
      const response = await fetch(gateway.url + path, {
        method,
        headers: body === undefined ? { authorization: headers.authorization } : headers,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      const json = response.headers.get('content-type')?.startsWith('application/json') === true;
      return { response, value: json ? (JSON.parse(text) as unknown) : text };
    };
    const question = { model: 'auto', messages: [{ role: 'user', content: 'hello there' }] };
    const routed = await call('POST /v1/chat/completions', question);
    const hit = await call('POST /v1/chat/completions', question);
    expect(hit.response.headers.get('x-sluice-cache')).toBe('hit');
    const idOf = ({ response }: { response: Response }): string =>
      response.headers.get('x-request-id') ?? '';
    const created = await call('POST /v1/admin/keys', { name: 'k', tier: 'paid' });
    const ids: Record<string, string> = {
      '/v1/models/': 'auto',
      '/v1/admin/keys/': (created.value as { id: string }).id,
      '/v1/admin/experiments/': EXPERIMENT,
      '/v1/admin/callers/': 'ada',
    };
    // What was stopped is let run again at once; the shutdown itself is called like all others.
    const order = (name: string): number => (name.includes('/budgets/shutdown') ? -1 : 0);
    const wrong: unknown[] = [];
    for (const [name, operation] of operations.toSorted(([a], [b]) => order(b) - order(a))) {
      const [prefix = ''] = Object.keys(ids).filter((start) => name.includes(`${start}{id}`));
      const [body] = Object.values(operation.requestBody?.content ?? {});
      const example = body?.example as Record<string, unknown> | undefined;
      const given =
        example !== undefined && 'request_id' in example
          ? { ...example, request_id: idOf(name.includes('/cache/') ? hit : routed) }
          : example;
      const { response, value } = await call(name.replace('{id}', ids[prefix] ?? ''), given);
      const [status, { schema }] = success(operation);
      if (String(response.status) !== status) wrong.push([name, response.status, value]);
      else if (faults(schema, value) !== '') wrong.push([name, faults(schema, value)]);
    }
    expect(wrong).toEqual([]);
  });
});
