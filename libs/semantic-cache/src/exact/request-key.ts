import { hash } from 'node:crypto';
import type { ChatCall } from '@sluice/kernel';
import { canonicalJson, canonicalObject } from './canonical-json.js';

/**
 * Body fields that do not change what is answered: transport, accounting and tracing. A field that is
 * not named here is part of the key, known or not: a miss too many is cheap, a wrong answer is not.
 */
export const IRRELEVANT_FIELDS: ReadonlySet<string> = new Set([
  'model', // taken from the call: a rewritten call keeps its old body
  'stream',
  'stream_options',
  'user',
  'safety_identifier',
  'metadata',
  'store',
  'service_tier',
  'prompt_cache_key',
  'prompt_cache_retention',
]);

const known = new WeakMap<ChatCall, string>();

/**
 * Everything in the request that changes the answer, whoever asks, as one text: dialect, model, forwarded headers and
 * the body in canonical form. Scope is not in it: see {@link entryKey}.
 */
export function requestText(call: ChatCall): string {
  return (
    `${call.dialect}\n${JSON.stringify(call.model)}\n${call.unsupported}\n` +
    `${canonicalJson(call.forwardHeaders)}\n${canonicalObject(call.body, IRRELEVANT_FIELDS)}`
  );
}

/**
 * A digest of {@link requestText}: equal for calls of one caller that ask the same, with no clearing of the cache between them. Each
 * call is read and hashed once: where the cache has made its {@link entryKey} already, that is the digest.
 */
export function exactKeyOf(call: ChatCall): string {
  let key = known.get(call);
  if (key === undefined) {
    key = hash('sha256', requestText(call), 'hex');
    known.set(call, key);
  }
  return key;
}

/**
 * As {@link entryKey}, and remembered as the call's {@link exactKeyOf}: who asks after a clearing must not join who asked before it.
 *
 * @param generation the number of clearings so far
 */
export function entryKeyOf(
  call: ChatCall,
  parts: Omit<KeyParts, 'model' | 'request'>,
  generation: number,
): string {
  const key = entryKey({ ...parts, model: call.model, request: requestText(call) });
  known.set(call, generation === 0 ? key : `${key}#${generation}`);
  return key;
}

export interface KeyParts {
  /** `cache.version` of the configuration. */
  readonly version: number;
  /** Who may be served: a keyed hash, or a public word. */
  readonly scope: string;
  readonly tenant: string;
  readonly namespace: string;
  readonly model: string;
  /** {@link requestText}, or a digest that stands for the request. */
  readonly request: string;
}

/**
 * The key of an entry in both exact tiers. Its readable part (tenant, namespace, model) is for operators
 * who clear by pattern; the digest alone decides identity and covers every part.
 */
export function entryKey(parts: KeyParts): string {
  const digest = hash(
    'sha256',
    // JSON escapes line breaks: where the parts end cannot be forged.
    `${JSON.stringify([parts.version, parts.scope, parts.tenant, parts.namespace, parts.model])}\n${parts.request}`,
    'hex',
  );
  return `${label(parts.tenant)}:${label(parts.namespace)}:${label(parts.model)}:${digest}`;
}

/** Colons separate the parts of a key, and spaces would end a Redis glob in some tools. Half a character is no error. */
function label(text: string): string {
  return /^[\w./-]*$/.test(text) ? text : encodeURIComponent(text.toWellFormed());
}
