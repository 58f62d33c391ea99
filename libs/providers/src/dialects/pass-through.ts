import type { RawJson } from '@sluice/kernel';
import type { DialectRequest } from '../provider-dialect.js';

type Json = Readonly<Record<string, unknown>>;

/**
 * The caller's body for an upstream that speaks the caller's dialect: as it was received where that is known, but for
 * what must differ.
 * @param wanted outermost members; those that the body already has in this form are left alone
 */
export function passThrough(
  from: { readonly body: Json; readonly raw?: RawJson | undefined },
  wanted: Json,
): Pick<DialectRequest, 'body' | 'json'> {
  const changes: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(wanted)) {
    if (from.body[key] !== value) changes[key] = value;
  }
  const body = { ...from.body, ...changes };
  const json = from.raw?.with(from.body, changes);
  return json === undefined ? { body } : { body, json };
}
