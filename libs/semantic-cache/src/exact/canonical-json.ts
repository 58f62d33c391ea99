import { isExactNumber } from '@sluice/kernel';

/**
 * JSON with the keys of every object sorted, so that two bodies which differ only in key order or
 * white space are one text. `undefined` members vanish, as in JSON.stringify.
 */
export function canonicalJson(value: unknown): string {
  // In an array, as JSON.stringify has it; in an object it vanishes below.
  if (value === undefined) return 'null';
  if (value === null || typeof value !== 'object' || isExactNumber(value))
    return JSON.stringify(value);
  if (Array.isArray(value)) {
    let out = '[';
    for (let i = 0; i < value.length; i++) out += (i === 0 ? '' : ',') + canonicalJson(value[i]);
    return `${out}]`;
  }
  return canonicalObject(value as Readonly<Record<string, unknown>>, NONE);
}

const NONE: ReadonlySet<string> = new Set();

/** As {@link canonicalJson} for one object, leaving out the named top-level keys. */
export function canonicalObject(
  object: Readonly<Record<string, unknown>>,
  without: ReadonlySet<string>,
): string {
  let out = '{';
  for (const key of Object.keys(object).sort()) {
    const value = object[key];
    if (value === undefined || without.has(key)) continue;
    out += `${out.length === 1 ? '' : ','}${JSON.stringify(key)}:${canonicalJson(value)}`;
  }
  return `${out}}`;
}
