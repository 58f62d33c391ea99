import { z } from 'zod';
import { valueAt, type Path } from './problem.js';

interface JsonSchema {
  readonly const?: unknown;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | boolean;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
}

const cache = new WeakMap<z.ZodType, JsonSchema>();

/** The keys that `schema` knows for the object at `path` of `data`. */
export function knownKeys(schema: z.ZodType, path: Path, data: unknown): string[] {
  let root = cache.get(schema);
  if (root === undefined) {
    root = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
    cache.set(schema, root);
  }
  let nodes: readonly JsonSchema[] = branches(root);
  path.forEach((step, depth) => {
    const value = valueAt(data, path.slice(0, depth + 1));
    nodes = nodes.flatMap((node) => descend(node, step)).filter((node) => fits(node, value));
  });
  return [...new Set(nodes.flatMap((node) => Object.keys(node.properties ?? {})))];
}

/** False for the branch of a union that another `kind` belongs to. */
function fits(node: JsonSchema, value: unknown): boolean {
  return Object.entries(node.properties ?? {}).every(
    ([key, property]) => property.const === undefined || property.const === valueAt(value, [key]),
  );
}

function branches(node: JsonSchema): readonly JsonSchema[] {
  const inner = node.anyOf ?? node.oneOf;
  return inner === undefined ? [node] : inner.flatMap(branches);
}

function descend(node: JsonSchema, step: PropertyKey): readonly JsonSchema[] {
  const rest =
    typeof node.additionalProperties === 'object' ? node.additionalProperties : undefined;
  const next = typeof step === 'number' ? node.items : (node.properties?.[String(step)] ?? rest);
  return next === undefined ? [] : branches(next);
}
