import type {
  Message,
  Part,
  Prompt,
  Reasoning,
  ReasoningPart,
  ResponseFormat,
  Role,
  ToolResultPart,
} from '@sluice/kernel';
import {
  compact,
  invalid,
  isObject,
  optionalArray,
  optionalBoolean,
  optionalNumber,
  optionalObject,
  optionalString,
  requireArray,
  requireObject,
  requireOneOf,
  requireString,
  untranslatedFields,
  type Json,
} from './field.check.js';
import { contentPart } from './openai-content.parse.js';
import { SAMPLING_FIELDS, samplingOf, type WireLimits } from './openai-sampling.parse.js';
import { parseToolChoice, parseTools } from './openai-tools.parse.js';

const ROLES = ['system', 'developer', 'user', 'assistant', 'tool', 'function'] as const;
export const EFFORTS = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const;

/** Translated, or without effect on what is answered (where it is stored, how it is billed or traced). */
const KNOWN = new Set([
  ...['model', 'messages', 'stream', 'stream_options', 'max_tokens', 'max_completion_tokens'],
  ...[...SAMPLING_FIELDS, 'top_k'],
  ...['logprobs', 'top_logprobs', 'tools', 'tool_choice', 'parallel_tool_calls', 'response_format'],
  ...['reasoning_effort', 'user', 'metadata', 'store', 'service_tier', 'prompt_cache_key'],
  ...['prompt_cache_retention', 'prompt_cache_options', 'safety_identifier', 'prediction'],
]);

/** Chat Completions body → neutral form, checked on the way. */
export function parseChatBody(body: Json, limits: WireLimits): Prompt {
  const untranslated: string[] = untranslatedFields(body, KNOWN).filter(
    (field) => !isInert(field, body[field]),
  );
  const messages = parseMessages(body, untranslated);
  const tools = parseTools(body, 'nested', untranslated);
  const maxCompletion = optionalNumber(body, 'max_completion_tokens', { min: 1, integer: true });
  const maxTokens = optionalNumber(body, 'max_tokens', { min: 1, integer: true });
  // `default` is Groq's word for not asking.
  const effort = body.reasoning_effort === 'default' ? undefined : body.reasoning_effort;
  const reasoning: Reasoning | undefined =
    effort === undefined || effort === null
      ? undefined
      : { effort: requireOneOf(effort, EFFORTS, 'reasoning_effort') };
  return compact({
    messages,
    tools,
    toolChoice: parseToolChoice(body, tools, 'nested', untranslated),
    parallelToolCalls: optionalBoolean(body, 'parallel_tool_calls'),
    responseFormat: parseResponseFormat(body),
    reasoning,
    maxTokens: maxCompletion ?? maxTokens,
    ...samplingOf(body, limits),
    // Not OpenAI's own, but many compatible servers take it.
    topK: optionalNumber(body, 'top_k', { min: -1, integer: true }),
    logprobs: optionalBoolean(body, 'logprobs'),
    topLogprobs: optionalNumber(body, 'top_logprobs', { min: 0, max: 20, integer: true }),
    user: optionalString(body, 'user') ?? optionalString(body, 'safety_identifier'),
    untranslated: untranslated.length === 0 ? undefined : untranslated,
  });
}

/** Values that ask for nothing: the default spelled out. */
function isInert(field: string, value: unknown): boolean {
  if (field === 'modalities') return Array.isArray(value) && value.every((m) => m === 'text');
  if (field === 'logit_bias') return isObject(value) && Object.keys(value).length === 0;
  return Array.isArray(value) && value.length === 0;
}

function parseMessages(body: Json, untranslated: string[]): readonly Message[] {
  const raw = requireArray(body.messages, 'messages');
  if (raw.length === 0) throw invalid('messages', "'messages' must hold at least one message.");
  return raw.map((item, i) => parseMessage(item, `messages[${i}]`, untranslated));
}

function parseMessage(item: unknown, at: string, untranslated: string[]): Message {
  const message = requireObject(item, at);
  const role = requireOneOf(message.role, ROLES, `${at}.role`);
  const name = optionalString(message, 'name', `${at}.`);
  if (role === 'tool') return { role, parts: [toolResult(message, at, untranslated)] };
  if (role === 'function') {
    untranslated.push(at);
    return { role: 'tool', parts: [] };
  }
  const parts: Part[] = role === 'assistant' ? reasoningParts(message, at) : [];
  parts.push(...contentParts(message.content, { at, role, untranslated }));
  if (role === 'assistant') parts.push(...assistantParts(message, at, untranslated));
  return compact({ role, parts, name });
}

function contentParts(
  content: unknown,
  where: { readonly at: string; readonly role: Role; readonly untranslated: string[] },
): Part[] {
  const param = `${where.at}.content`;
  if (typeof content === 'string') {
    return content === '' && where.role === 'assistant' ? [] : [{ type: 'text', text: content }];
  }
  if (content === undefined || content === null) {
    // An assistant message may be nothing but tool calls.
    if (where.role === 'assistant') return [];
    throw invalid(param, `'${param}' must be a string or an array of content parts.`);
  }
  if (!Array.isArray(content)) {
    throw invalid(param, `'${param}' must be a string or an array of content parts.`);
  }
  const parts: Part[] = [];
  for (const [j, raw] of content.entries()) {
    const part = contentPart(raw, `${param}[${j}]`);
    if (part === undefined) where.untranslated.push(`${param}[${j}]`);
    else parts.push(part);
  }
  return parts;
}

function toolResult(message: Json, at: string, untranslated: string[]): ToolResultPart {
  const parts = contentParts(message.content, { at, role: 'tool', untranslated });
  const kept: ToolResultPart['parts'][number][] = [];
  for (const [j, part] of parts.entries()) {
    if (part.type === 'text' || part.type === 'image') kept.push(part);
    else untranslated.push(`${at}.content[${j}]`);
  }
  return compact({
    type: 'tool_result' as const,
    callId: requireString(message.tool_call_id, `${at}.tool_call_id`),
    name: optionalString(message, 'name', `${at}.`),
    parts: kept,
  });
}

/**
 * Reasoning as compatible servers write it: `reasoning_content` (text alone), or `reasoning_details`
 * (OpenRouter), which also carries signatures and encrypted blocks.
 */
function reasoningParts(message: Json, at: string): Part[] {
  const details = optionalArray(message, 'reasoning_details', `${at}.`);
  if (details !== undefined && details.length > 0) {
    return details.map((item, j): ReasoningPart => {
      const path = `${at}.reasoning_details[${j}].`;
      const detail = requireObject(item, path.slice(0, -1));
      return compact({
        type: 'reasoning' as const,
        text: optionalString(detail, 'text', path) ?? optionalString(detail, 'summary', path) ?? '',
        signature: optionalString(detail, 'signature', path),
        redacted: optionalString(detail, 'data', path),
        id: optionalString(detail, 'id', path),
      });
    });
  }
  const text =
    optionalString(message, 'reasoning_content', `${at}.`) ??
    optionalString(message, 'reasoning', `${at}.`);
  return text === undefined || text === '' ? [] : [{ type: 'reasoning', text }];
}

function assistantParts(message: Json, at: string, untranslated: string[]): Part[] {
  const parts: Part[] = [];
  const refusal = optionalString(message, 'refusal', `${at}.`);
  if (refusal !== undefined) parts.push({ type: 'refusal', text: refusal });
  const calls = optionalArray(message, 'tool_calls', `${at}.`) ?? [];
  for (const [j, raw] of calls.entries()) {
    const path = `${at}.tool_calls[${j}]`;
    const call = requireObject(raw, path);
    if (call.type !== undefined && call.type !== 'function') {
      untranslated.push(path);
      continue;
    }
    const fn = requireObject(call.function, `${path}.function`);
    parts.push({
      type: 'tool_call',
      id: requireString(call.id, `${path}.id`),
      name: requireString(fn.name, `${path}.function.name`),
      arguments: requireString(fn.arguments, `${path}.function.arguments`),
    });
  }
  for (const key of ['audio', 'function_call']) {
    if (message[key] !== undefined && message[key] !== null) untranslated.push(`${at}.${key}`);
  }
  return parts;
}

function parseResponseFormat(body: Json): ResponseFormat | undefined {
  const format = optionalObject(body, 'response_format');
  if (format === undefined) return undefined;
  const type = requireOneOf(
    format.type,
    ['text', 'json_object', 'json_schema'],
    'response_format.type',
  );
  if (type === 'text') return { type: 'text' };
  if (type === 'json_object') return { type: 'json' };
  const at = 'response_format.json_schema';
  const schema = requireObject(format.json_schema, at);
  return compact({
    type: 'json_schema' as const,
    name: requireString(schema.name, `${at}.name`),
    schema: optionalObject(schema, 'schema', `${at}.`) ?? {},
    strict: optionalBoolean(schema, 'strict', `${at}.`),
    description: optionalString(schema, 'description', `${at}.`),
  });
}
