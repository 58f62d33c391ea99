import type { Prompt } from '@sluice/kernel';
import {
  compact,
  invalid,
  optionalBoolean,
  optionalNumber,
  optionalString,
  requireArray,
  requireString,
  untranslatedFields,
  type Json,
} from './field.check.js';
import { SAMPLING_FIELDS, samplingOf, type WireLimits } from './openai-sampling.parse.js';

const KNOWN = new Set([
  ...['model', 'prompt', 'stream', 'stream_options', 'max_tokens', ...SAMPLING_FIELDS],
  ...['logprobs', 'echo', 'user'],
]);
/** What the API documents for a missing `max_tokens`. */
const DEFAULT_MAX_TOKENS = 16;

/** Legacy completions body → neutral form: the prompt becomes one user message. */
export function parseCompletionsBody(body: Json, limits: WireLimits): Prompt {
  const sampling = samplingOf(body, limits);
  const untranslated: string[] = untranslatedFields(body, KNOWN).filter((field) => {
    const value = body[field];
    if (field === 'suffix') return value !== '';
    if (field === 'best_of') return value !== (sampling.n ?? 1);
    return !(typeof value === 'object' && value !== null && Object.keys(value).length === 0);
  });
  optionalBoolean(body, 'echo');
  const text = promptText(body, untranslated);
  const logprobs = optionalNumber(body, 'logprobs', { min: 0, max: 5, integer: true });
  return compact({
    messages: [{ role: 'user' as const, parts: [{ type: 'text' as const, text }] }],
    maxTokens: optionalNumber(body, 'max_tokens', { min: 1, integer: true }) ?? DEFAULT_MAX_TOKENS,
    ...sampling,
    logprobs: logprobs === undefined ? undefined : true,
    topLogprobs: logprobs,
    user: optionalString(body, 'user'),
    untranslated: untranslated.length === 0 ? undefined : untranslated,
  });
}

/**
 * One prompt is a message. Several prompts, or token ids, have no neutral form: they are named, and only an upstream
 * that speaks this dialect gets them. `/v1/completions/batch` takes many prompts to any model.
 */
function promptText(body: Json, untranslated: string[]): string {
  const { prompt } = body;
  if (typeof prompt === 'string') return prompt;
  if (prompt === undefined || prompt === null) {
    throw invalid('prompt', "'prompt' must be a string or an array.");
  }
  const items = requireArray(prompt, 'prompt');
  const [first] = items;
  if (first === undefined) throw invalid('prompt', "'prompt' must not be empty.");
  if (typeof first === 'string' && items.length === 1) return first;
  if (typeof first === 'string') {
    const texts = items.map((item, i) => requireString(item, `prompt[${i}]`));
    untranslated.push('prompt');
    return texts.join('\n');
  }
  if (!items.every(isTokens)) {
    throw invalid('prompt', "'prompt' must hold strings, or token ids, and not both.");
  }
  untranslated.push('prompt');
  return '';
}

function isTokens(item: unknown): boolean {
  return Array.isArray(item)
    ? item.every((token) => Number.isInteger(token))
    : Number.isInteger(item);
}
