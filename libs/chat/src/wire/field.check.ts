import { GatewayError, isExactNumber } from '@sluice/kernel';

/** A JSON object whose fields have not been checked. */
export type Json = Readonly<Record<string, unknown>>;

/** A complaint about one field of a request, named as the caller wrote it. */
export function invalid(param: string, message: string): GatewayError {
  return new GatewayError('invalid_request', message, param === '' ? {} : { param });
}

export function isObject(value: unknown): value is Json {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && !isExactNumber(value)
  );
}

/** The request body itself. */
export function bodyOf(value: unknown): Json {
  if (isObject(value)) return value;
  throw invalid('', 'The request body must be a JSON object.');
}

/** What a wrong value looks like in a message: never the value itself, which may be long or secret. */
function kindOf(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (isExactNumber(value)) return 'a value of type number';
  return Array.isArray(value) ? 'an array' : `a value of type ${typeof value}`;
}

export function requireObject(value: unknown, param: string): Json {
  if (isObject(value)) return value;
  throw invalid(param, `'${param}' must be an object, but got ${kindOf(value)}.`);
}

export function requireArray(value: unknown, param: string): readonly unknown[] {
  if (Array.isArray(value)) return value as readonly unknown[];
  throw invalid(param, `'${param}' must be an array, but got ${kindOf(value)}.`);
}

export function requireString(value: unknown, param: string): string {
  if (typeof value === 'string') return value;
  throw invalid(param, `'${param}' must be a string, but got ${kindOf(value)}.`);
}

export function requireOneOf<T extends string>(
  value: unknown,
  allowed: readonly T[],
  param: string,
): T {
  // The membership test is what makes the narrowing true.
  if (typeof value === 'string' && (allowed as readonly string[]).includes(value)) {
    return value as T;
  }
  const names = allowed.map((a) => `'${a}'`).join(', ');
  const got = typeof value === 'string' ? `'${value.slice(0, 64)}'` : kindOf(value);
  throw invalid(param, `'${param}' must be one of ${names}, but got ${got}.`);
}

// Clients written in typed languages send `null` for what they leave out, so null counts as absent everywhere.

export function optionalString(body: Json, key: string, at = ''): string | undefined {
  const value = body[key];
  return value === undefined || value === null ? undefined : requireString(value, at + key);
}

export function optionalBoolean(body: Json, key: string, at = ''): boolean | undefined {
  const value = body[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'boolean') return value;
  throw invalid(at + key, `'${at + key}' must be true or false, but got ${kindOf(value)}.`);
}

export function optionalObject(body: Json, key: string, at = ''): Json | undefined {
  const value = body[key];
  return value === undefined || value === null ? undefined : requireObject(value, at + key);
}

export function optionalArray(body: Json, key: string, at = ''): readonly unknown[] | undefined {
  const value = body[key];
  return value === undefined || value === null ? undefined : requireArray(value, at + key);
}

export interface NumberRange {
  readonly min: number;
  readonly max?: number;
  readonly integer?: boolean;
  readonly at?: string;
}

export function optionalNumber(body: Json, key: string, range: NumberRange): number | undefined {
  const given = body[key];
  if (given === undefined || given === null) return undefined;
  const value = isExactNumber(given) ? Number(given.rawJSON) : given;
  const param = `${range.at ?? ''}${key}`;
  const { min, max = Number.MAX_SAFE_INTEGER, integer = false } = range;
  if (typeof value === 'number' && value >= min && value <= max) {
    if (!integer || Number.isInteger(value)) return value;
  }
  const wanted = integer ? 'an integer' : 'a number';
  const bounds = range.max === undefined ? `at least ${min}` : `between ${min} and ${max}`;
  const got = typeof value === 'number' ? String(value) : kindOf(value);
  throw invalid(param, `'${param}' must be ${wanted} ${bounds}, but got ${got}.`);
}

/** A string or an array of strings, as `stop` is written. */
export function optionalStrings(body: Json, key: string, max: number): string[] | undefined {
  const value = body[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string') return [value];
  const items = requireArray(value, key).map((item, i) => requireString(item, `${key}[${i}]`));
  if (items.length > max) throw invalid(key, `'${key}' may hold at most ${max} strings.`);
  return items.length === 0 ? undefined : items;
}

/** The object without its undefined members: exactOptionalPropertyTypes tells "absent" from "undefined". */
export function compact<T extends object>(value: T): Compact<T> {
  const out: Record<string, unknown> = {};
  for (const key in value) if (value[key] !== undefined) out[key] = value[key];
  // Only undefined members are gone, which is what the type says.
  return out as Compact<T>;
}

export type Compact<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** Fields that are present but neither known to the neutral form nor without effect on the answer. */
export function untranslatedFields(
  body: Json,
  known: ReadonlySet<string>,
  at = '',
): readonly string[] {
  const out: string[] = [];
  for (const key of Object.keys(body)) {
    const value = body[key];
    if (!known.has(key) && value !== null && value !== undefined) out.push(at + key);
  }
  return out;
}
