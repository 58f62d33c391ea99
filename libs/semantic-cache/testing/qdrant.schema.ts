import { readFileSync } from 'node:fs';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';

interface Operation {
  readonly requestBody?: { readonly content: Record<string, { readonly schema: object }> };
  readonly responses: Record<string, { readonly content: Record<string, { schema: object }> }>;
}
interface Specification {
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: object;
}

/**
 * OpenAPI 3.0 as JSON Schema: `nullable` alone means null, beside anything else "or null". Objects are closed, so that
 * a misspelt field is a fault.
 */
function normalised(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(normalised);
  if (typeof node !== 'object' || node === null) return node;
  const { nullable, ...rest } = node as Record<string, unknown>;
  const inner: Record<string, unknown> = Object.fromEntries(
    Object.entries(rest).map(([key, value]) => [key, normalised(value)]),
  );
  if (inner.type === 'object' && inner.properties !== undefined && !('anyOf' in inner)) {
    inner.additionalProperties ??= false;
  }
  if (nullable !== true) return inner;
  return Object.keys(inner).length === 0 ? { type: 'null' } : { anyOf: [inner, { type: 'null' }] };
}

/** Checks requests and answers against Qdrant's own specification. */
export class QdrantSchema {
  readonly #spec: Specification;
  readonly #ajv = new Ajv2020({ strict: false, validateFormats: false });
  readonly #compiled = new Map<string, ValidateFunction | undefined>();

  constructor() {
    const text = readFileSync('test/fixtures/specs/qdrant-openapi.json', 'utf8');
    const spec = JSON.parse(text) as Specification;
    this.#spec = {
      paths: spec.paths,
      components: normalised(spec.components) as object,
    };
    this.#ajv.addSchema({ $id: 'qdrant', components: this.#spec.components }, 'qdrant');
  }

  /** What is wrong with a request; undefined when nothing is. @param route as the specification writes it */
  request(method: string, route: string, body: unknown): string | undefined {
    const operation = this.#operation(method, route);
    if (operation === undefined) return `no such operation: ${method} ${route}`;
    const schema = operation.requestBody?.content['application/json']?.schema;
    if (schema === undefined) return body === undefined ? undefined : 'a body that nobody reads';
    return this.#check(`request ${method} ${route}`, schema, body);
  }

  /** What is wrong with a successful answer. */
  answer(method: string, route: string, body: unknown): string | undefined {
    const schema = this.#operation(method, route)?.responses['200']?.content['application/json']
      ?.schema;
    return schema === undefined ? 'no schema' : this.#check(`${method} ${route}`, schema, body);
  }

  #operation(method: string, route: string): Operation | undefined {
    return this.#spec.paths[route]?.[method.toLowerCase()];
  }

  #check(name: string, schema: object, value: unknown): string | undefined {
    let validate = this.#compiled.get(name);
    if (validate === undefined) {
      const text = JSON.stringify(normalised(schema)).replaceAll('"#/', '"qdrant#/');
      validate = this.#ajv.compile(JSON.parse(text) as object);
      this.#compiled.set(name, validate);
    }
    return validate(value)
      ? undefined
      : `${name}: ${this.#ajv.errorsText(validate.errors)}: ${JSON.stringify(value).slice(0, 400)}`;
  }
}
