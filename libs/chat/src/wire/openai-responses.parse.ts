import type { Prompt, Reasoning, ResponseFormat } from '@sluice/kernel';
import {
  compact,
  optionalArray,
  optionalBoolean,
  optionalNumber,
  optionalObject,
  optionalString,
  requireObject,
  requireOneOf,
  requireString,
  untranslatedFields,
  type Json,
} from './field.check.js';
import { EFFORTS } from './openai-chat.parse.js';
import { InputReader } from './openai-responses-input.parse.js';
import { parseToolChoice, parseTools } from './openai-tools.parse.js';

const KNOWN = new Set([
  ...['model', 'input', 'instructions', 'stream', 'max_output_tokens', 'temperature', 'top_p'],
  ...['tools', 'tool_choice', 'parallel_tool_calls', 'text', 'reasoning', 'include', 'user'],
  ...['top_logprobs', 'previous_response_id'],
  // Without effect on what is answered.
  ...['metadata', 'store', 'service_tier', 'prompt_cache_key', 'prompt_cache_retention'],
  ...['prompt_cache_options', 'safety_identifier', 'stream_options'],
]);
const LOGPROBS = 'message.output_text.logprobs';
const HARMLESS_INCLUDES = new Set(['reasoning.encrypted_content', LOGPROBS]);

/** Responses body → neutral form. */
export function parseResponsesBody(body: Json): Prompt {
  const untranslated: string[] = untranslatedFields(body, KNOWN).filter(
    (field) => !isInert(field, body[field]),
  );
  const reader = new InputReader(untranslated);
  reader.read(body.input);
  const instructions = optionalString(body, 'instructions');
  const messages = reader.messages();
  const include = optionalArray(body, 'include') ?? [];
  for (const [i, item] of include.entries()) {
    const what = requireString(item, `include[${i}]`);
    if (!HARMLESS_INCLUDES.has(what)) untranslated.push(`include[${i}]`);
  }
  const topLogprobs = optionalNumber(body, 'top_logprobs', { min: 0, max: 20, integer: true });
  const tools = parseTools(body, 'flat', untranslated);
  return compact({
    messages:
      instructions === undefined || instructions === ''
        ? messages
        : [
            { role: 'system' as const, parts: [{ type: 'text' as const, text: instructions }] },
            ...messages,
          ],
    tools,
    toolChoice: parseToolChoice(body, tools, 'flat', untranslated),
    parallelToolCalls: optionalBoolean(body, 'parallel_tool_calls'),
    responseFormat: parseFormat(body, untranslated),
    reasoning: parseReasoning(body),
    maxTokens: optionalNumber(body, 'max_output_tokens', { min: 1, integer: true }),
    temperature: optionalNumber(body, 'temperature', { min: 0, max: 2 }),
    topP: optionalNumber(body, 'top_p', { min: 0, max: 1 }),
    logprobs: include.includes(LOGPROBS) || topLogprobs !== undefined ? true : undefined,
    topLogprobs,
    user: optionalString(body, 'user') ?? optionalString(body, 'safety_identifier'),
    untranslated: untranslated.length === 0 ? undefined : untranslated,
  });
}

function isInert(field: string, value: unknown): boolean {
  if (field === 'background') return value === false;
  if (field === 'truncation') return value === 'disabled';
  return Array.isArray(value) && value.length === 0;
}

function parseFormat(body: Json, untranslated: string[]): ResponseFormat | undefined {
  const text = optionalObject(body, 'text');
  if (text === undefined) return undefined;
  if (text.verbosity !== undefined && text.verbosity !== null && text.verbosity !== 'medium') {
    untranslated.push('text.verbosity');
  }
  const format = optionalObject(text, 'format', 'text.');
  if (format === undefined) return undefined;
  const type = requireOneOf(
    format.type,
    ['text', 'json_object', 'json_schema'],
    'text.format.type',
  );
  if (type === 'text') return { type: 'text' };
  if (type === 'json_object') return { type: 'json' };
  return compact({
    type,
    name: requireString(format.name, 'text.format.name'),
    schema: requireObject(format.schema, 'text.format.schema'),
    strict: optionalBoolean(format, 'strict', 'text.format.'),
    description: optionalString(format, 'description', 'text.format.'),
  });
}

function parseReasoning(body: Json): Reasoning | undefined {
  const reasoning = optionalObject(body, 'reasoning');
  if (reasoning === undefined) return undefined;
  const effort = reasoning.effort ?? undefined;
  const summary =
    optionalString(reasoning, 'summary', 'reasoning.') ??
    optionalString(reasoning, 'generate_summary', 'reasoning.');
  if (effort === undefined && summary === undefined) return undefined;
  return compact({
    effort: effort === undefined ? undefined : requireOneOf(effort, EFFORTS, 'reasoning.effort'),
    summary,
  });
}
