type Schema = Readonly<Record<string, unknown>>;

/** Deeper than any honest schema: recursive ones end here. */
const DEEPEST = 12;
const FORMATS: Readonly<Record<string, string>> = {
  'date-time': '2026-01-01T00:00:00Z',
  date: '2026-01-01',
  time: '00:00:00Z',
  duration: 'PT1H',
  email: 'sandbox@example.com',
  hostname: 'example.com',
  ipv4: '192.0.2.1',
  ipv6: '2001:db8::1',
  uuid: '00000000-0000-4000-8000-000000000000',
  uri: 'https://example.com/',
};

/** A small value that satisfies a JSON Schema, the same one each time. `pattern` is beyond it. */
export function exampleOf(schema: unknown, root: unknown = schema, depth = 0): unknown {
  if (typeof schema !== 'object' || schema === null || depth > DEEPEST) return null;
  const of = schema as Schema;
  if ('const' in of) return of.const;
  if (Array.isArray(of.enum)) return of.enum[0] as unknown;
  if (typeof of.$ref === 'string') return exampleOf(resolve(of.$ref, root), root, depth + 1);
  for (const key of ['anyOf', 'oneOf']) {
    const options = of[key];
    if (Array.isArray(options)) {
      const { [key]: _, ...rest } = of;
      return exampleOf(merged([rest, simplest(options)]), root, depth + 1);
    }
  }
  if (Array.isArray(of.allOf)) {
    const { allOf, ...rest } = of;
    return exampleOf(merged([rest, ...allOf.map((part) => followed(part, root))]), root, depth + 1);
  }
  switch (typeOf(of)) {
    case 'object':
      return objectOf(of, root, depth);
    case 'array':
      return arrayOf(of, root, depth);
    case 'integer':
    case 'number':
      return numberOf(of);
    case 'boolean':
      return true;
    case 'null':
      return null;
    default:
      return stringOf(of);
  }
}

function typeOf(of: Schema): string {
  const type: unknown = Array.isArray(of.type) ? of.type[0] : of.type;
  if (typeof type === 'string') return type;
  if (of.properties !== undefined || of.required !== undefined) return 'object';
  return of.items === undefined ? 'string' : 'array';
}

function objectOf(of: Schema, root: unknown, depth: number): Record<string, unknown> {
  const properties = (of.properties ?? {}) as Schema;
  const required = Array.isArray(of.required) ? (of.required as string[]) : [];
  return Object.fromEntries(
    required.map((name) => [
      name,
      exampleOf(properties[name] ?? { type: 'string' }, root, depth + 1),
    ]),
  );
}

function arrayOf(of: Schema, root: unknown, depth: number): unknown[] {
  const first = Array.isArray(of.prefixItems) ? (of.prefixItems as unknown[]) : [];
  const length = Math.min(Math.max(count(of.minItems), first.length), 100);
  return Array.from({ length }, (_, i) =>
    exampleOf(first[i] ?? of.items ?? { type: 'string' }, root, depth + 1),
  );
}

function numberOf(of: Schema): number {
  const step = typeof of.multipleOf === 'number' ? of.multipleOf : 1;
  const low = typeof of.minimum === 'number' ? of.minimum : -Infinity;
  const above = typeof of.exclusiveMinimum === 'number' ? of.exclusiveMinimum : -Infinity;
  const high = typeof of.maximum === 'number' ? of.maximum : Infinity;
  const below = typeof of.exclusiveMaximum === 'number' ? of.exclusiveMaximum : Infinity;
  const floor = Math.max(low, above === -Infinity ? above : above + step / 2);
  const ceiling = Math.min(high, below === Infinity ? below : below - step / 2);
  if (floor <= step && step <= ceiling) return step;
  const nearest = floor > step ? Math.ceil(floor / step) * step : Math.floor(ceiling / step) * step;
  // Between two steps only a fraction fits, which a plain number may be.
  return nearest >= floor && nearest <= ceiling ? nearest : (floor + ceiling) / 2;
}

function stringOf(of: Schema): string {
  const text = FORMATS[typeof of.format === 'string' ? of.format : ''] ?? 'sandbox';
  const padded = text.padEnd(Math.min(count(of.minLength), 10_000), 'x');
  return typeof of.maxLength === 'number' ? padded.slice(0, of.maxLength) : padded;
}

function count(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}

/** The option without references, which a recursive schema ends with. */
function simplest(options: readonly unknown[]): unknown {
  return options.find((option) => !JSON.stringify(option).includes('"$ref"')) ?? options[0];
}

function followed(part: unknown, root: unknown): unknown {
  const ref = (part as Schema).$ref;
  return typeof ref === 'string' ? resolve(ref, root) : part;
}

function merged(parts: readonly unknown[]): Schema {
  const all: Record<string, unknown> = {};
  const properties: Record<string, unknown> = {};
  const required = new Set<unknown>();
  for (const part of parts) {
    if (typeof part !== 'object' || part === null) continue;
    Object.assign(all, part);
    const of = part as Schema;
    Object.assign(properties, of.properties);
    if (Array.isArray(of.required)) for (const name of of.required) required.add(name);
  }
  if (Object.keys(properties).length > 0) all.properties = properties;
  if (required.size > 0) all.required = [...required];
  return all;
}

/** Only references within the schema: nothing is fetched. */
function resolve(ref: string, root: unknown): unknown {
  if (!ref.startsWith('#')) return undefined;
  let at: unknown = root;
  for (const step of ref.slice(1).split('/').slice(1)) {
    const name = decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~');
    at = typeof at === 'object' && at !== null ? (at as Schema)[name] : undefined;
  }
  return at;
}
