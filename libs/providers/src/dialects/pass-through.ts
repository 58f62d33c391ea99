import type { RawJson } from '@sluice/kernel';
import type { RequestBody } from '../provider-dialect.js';

type Json = Readonly<Record<string, unknown>>;

/**
 * The caller's body for an upstream that speaks the caller's dialect: as it was received where that is known, but for
 * what must differ.
 * @param wanted outermost members; those that the body already has in this form are left alone
 */
export function passThrough(
  from: { readonly body: Json; readonly raw?: RawJson | undefined },
  wanted: Json,
): RequestBody {
  const changes: Record<string, unknown> = {};
  for (const key in wanted) if (from.body[key] !== wanted[key]) changes[key] = wanted[key];
  const json = from.raw?.with(from.body, changes);
  return json === undefined ? { body: { ...from.body, ...changes } } : { json };
}
