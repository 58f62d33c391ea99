type Schema = Readonly<Record<string, unknown>>;

const MAX_DEPTH = 20;
const MAX_ITEMS = 1000;

/**
 * The first place where `value` breaks `schema`, or undefined. Knows type, enum, const, required, properties,
 * additionalProperties: false, items, anyOf and local $refs; whatever else a schema says is not checked, so it can miss a
 * fault and does not invent one.
 */
export function schemaFault(value: unknown, schema: Schema): string | undefined {
  return fault(value, schema, { root: schema, path: '', depth: 0 });
}

interface Place {
  readonly root: Schema;
  readonly path: string;
  readonly depth: number;
}

function fault(value: unknown, schema: Schema, place: Place): string | undefined {
  if (place.depth > MAX_DEPTH) return undefined;
  const at = place.path === '' ? 'the answer' : place.path;
  const referred = resolve(schema, place.root);
  if (referred !== schema) return fault(value, referred, { ...place, depth: place.depth + 1 });
  const options = schema.anyOf ?? schema.oneOf;
  if (Array.isArray(options)) {
    const next = { ...place, depth: place.depth + 1 };
    const fits = options.some(
      (option) => !isSchema(option) || fault(value, option, next) === undefined,
    );
    if (!fits) return `${at} fits no alternative`;
  }
  if (!hasType(value, schema.type)) return `${at} is not of type ${String(schema.type)}`;
  if (Array.isArray(schema.enum) && !schema.enum.some((allowed) => same(allowed, value))) {
    return `${at} is not one of the allowed values`;
  }
  if ('const' in schema && !same(schema.const, value)) return `${at} is not the constant`;
  if (Array.isArray(value)) return itemsFault(value, schema, place);
  if (typeof value === 'object' && value !== null) {
    return propertiesFault(value as Record<string, unknown>, schema, place); // neither null nor array
  }
  return undefined;
}

function propertiesFault(
  value: Readonly<Record<string, unknown>>,
  schema: Schema,
  place: Place,
): string | undefined {
  const under = (name: string) => (place.path === '' ? name : `${place.path}.${name}`);
  const required = Array.isArray(schema.required) ? schema.required : [];
  for (const name of required) {
    if (typeof name === 'string' && !Object.hasOwn(value, name)) return `${under(name)} is missing`;
  }
  const properties = isSchema(schema.properties) ? schema.properties : {};
  for (const [name, inner] of Object.entries(value)) {
    const known = Object.hasOwn(properties, name) ? properties[name] : undefined;
    if (known === undefined) {
      if (schema.additionalProperties === false)
        return `${under(name).slice(0, 80)} is not allowed`;
      continue;
    }
    if (!isSchema(known)) continue;
    const found = fault(inner, known, {
      root: place.root,
      path: under(name),
      depth: place.depth + 1,
    });
    if (found !== undefined) return found;
  }
  return undefined;
}

function itemsFault(value: readonly unknown[], schema: Schema, place: Place): string | undefined {
  const items = schema.items;
  if (!isSchema(items)) return undefined;
  for (const [i, item] of value.slice(0, MAX_ITEMS).entries()) {
    const found = fault(item, items, {
      root: place.root,
      path: `${place.path}[${i}]`,
      depth: place.depth + 1,
    });
    if (found !== undefined) return found;
  }
  return undefined;
}

function hasType(value: unknown, type: unknown): boolean {
  if (Array.isArray(type)) return type.some((one) => hasType(value, one));
  switch (type) {
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value);
    case 'array':
      return Array.isArray(value);
    case 'string':
      return typeof value === 'string';
    case 'number':
      return typeof value === 'number';
    case 'integer':
      return Number.isInteger(value);
    case 'boolean':
      return typeof value === 'boolean';
    case 'null':
      return value === null;
    default:
      return true;
  }
}

function resolve(schema: Schema, root: Schema): Schema {
  const ref = schema.$ref;
  if (typeof ref !== 'string' || !ref.startsWith('#')) return schema;
  let at: unknown = root;
  for (const name of ref.split('/').slice(1)) {
    at = isSchema(at) && Object.hasOwn(at, name) ? at[name] : undefined;
  }
  return isSchema(at) && at !== schema ? at : {};
}

function same(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
