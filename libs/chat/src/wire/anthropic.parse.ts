import type {
  Message,
  Part,
  Prompt,
  Reasoning,
  ResponseFormat,
  TextPart,
  Tool,
  ToolChoice,
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
  optionalStrings,
  requireArray,
  requireObject,
  requireOneOf,
  requireString,
  untranslatedFields,
  type Json,
} from './field.check.js';
import { anthropicBlock } from './anthropic-content.parse.js';
import { cacheMark } from './openai-content.parse.js';

const KNOWN = new Set([
  ...['model', 'messages', 'system', 'max_tokens', 'stream', 'stop_sequences', 'temperature'],
  ...['top_p', 'top_k', 'tools', 'tool_choice', 'thinking', 'metadata', 'output_config'],
  // Without effect on what is answered.
  ...['service_tier', 'cache_control', 'output_format', 'inference_geo', 'speed'],
]);
const EFFORTS = ['low', 'medium', 'high', 'xhigh', 'max'] as const;

/** Messages body → neutral form. `max_tokens` is required of a call, not of a token count. */
export function parseMessagesBody(body: Json, needs: { readonly maxTokens: boolean }): Prompt {
  const untranslated: string[] = untranslatedFields(body, KNOWN).filter((field) => {
    const value = body[field];
    return !(Array.isArray(value) && value.length === 0);
  });
  const messages = [...parseSystem(body), ...parseMessages(body, untranslated)];
  const maxTokens = optionalNumber(body, 'max_tokens', { min: 1, integer: true });
  if (maxTokens === undefined && needs.maxTokens) {
    throw invalid('max_tokens', 'max_tokens: Field required');
  }
  const tools = parseTools(body, untranslated);
  const choice = optionalObject(body, 'tool_choice');
  const metadata = optionalObject(body, 'metadata');
  const single =
    choice === undefined
      ? undefined
      : optionalBoolean(choice, 'disable_parallel_tool_use', 'tool_choice.');
  return compact({
    messages,
    tools,
    toolChoice: choice === undefined ? undefined : parseToolChoice(choice),
    parallelToolCalls: single === undefined ? undefined : !single,
    responseFormat: parseFormat(body, untranslated),
    reasoning: parseReasoning(body, maxTokens, untranslated),
    maxTokens,
    temperature: optionalNumber(body, 'temperature', { min: 0, max: 1 }),
    topP: optionalNumber(body, 'top_p', { min: 0, max: 1 }),
    topK: optionalNumber(body, 'top_k', { min: 0, integer: true }),
    stop: optionalStrings(body, 'stop_sequences', 8191),
    user: metadata === undefined ? undefined : optionalString(metadata, 'user_id', 'metadata.'),
    untranslated: untranslated.length === 0 ? undefined : untranslated,
  });
}

/** `system[]` keeps its order and its cache marks: clients pin their prompt cache on both. */
function parseSystem(body: Json): Message[] {
  const { system } = body;
  if (system === undefined || system === null) return [];
  if (typeof system === 'string') {
    return system === '' ? [] : [{ role: 'system', parts: [{ type: 'text', text: system }] }];
  }
  const parts = requireArray(system, 'system').map((raw, i): TextPart => {
    const at = `system[${i}]`;
    const block = requireObject(raw, at);
    requireOneOf(block.type, ['text'], `${at}.type`);
    return compact({
      type: 'text' as const,
      text: requireString(block.text, `${at}.text`),
      cache: cacheMark(block),
    });
  });
  return parts.length === 0 ? [] : [{ role: 'system', parts }];
}

function parseMessages(body: Json, untranslated: string[]): Message[] {
  const raw = requireArray(body.messages, 'messages');
  if (raw.length === 0) throw invalid('messages', 'messages: at least one message is required');
  const out: Message[] = [];
  for (const [i, item] of raw.entries()) {
    const at = `messages[${i}]`;
    const message = requireObject(item, at);
    const role = requireOneOf(message.role, ['user', 'assistant', 'system'], `${at}.role`);
    const parts = parseContent(message.content, `${at}.content`, untranslated);
    out.push(...splitToolResults(role, parts));
  }
  return out;
}

function parseContent(content: unknown, at: string, untranslated: string[]): Part[] {
  if (typeof content === 'string') return [{ type: 'text', text: content }];
  const parts: Part[] = [];
  for (const [j, raw] of requireArray(content, at).entries()) {
    const part = anthropicBlock(raw, `${at}[${j}]`, untranslated);
    if (part === undefined) untranslated.push(`${at}[${j}]`);
    else parts.push(part);
  }
  return parts;
}

/** The neutral form answers tools in messages of their own, as most dialects do. */
function splitToolResults(
  role: 'user' | 'assistant' | 'system',
  parts: readonly Part[],
): Message[] {
  const out: Message[] = [];
  let run: Part[] = [];
  for (const part of parts) {
    if (part.type !== 'tool_result') {
      run.push(part);
      continue;
    }
    if (run.length > 0) out.push({ role, parts: run });
    run = [];
    const result: ToolResultPart = part;
    out.push({ role: 'tool', parts: [result] });
  }
  if (run.length > 0 || out.length === 0) out.push({ role, parts: run });
  return out;
}

function parseTools(body: Json, untranslated: string[]): readonly Tool[] | undefined {
  const raw = optionalArray(body, 'tools');
  if (raw === undefined) return undefined;
  const tools: Tool[] = [];
  for (const [i, item] of raw.entries()) {
    const at = `tools[${i}]`;
    const tool = requireObject(item, at);
    const type = tool.type ?? 'custom';
    if (type !== 'custom') {
      // Tools that Anthropic runs itself (web search, code execution, computer use).
      requireString(type, `${at}.type`);
      untranslated.push(at);
      continue;
    }
    tools.push(
      compact({
        name: requireString(tool.name, `${at}.name`),
        description: optionalString(tool, 'description', `${at}.`),
        parameters: requireObject(tool.input_schema, `${at}.input_schema`),
        strict: optionalBoolean(tool, 'strict', `${at}.`),
        cache: cacheMark(tool),
      }),
    );
  }
  return tools.length === 0 ? undefined : tools;
}

function parseToolChoice(choice: Json): ToolChoice {
  const type = requireOneOf(choice.type, ['auto', 'any', 'none', 'tool'], 'tool_choice.type');
  if (type === 'tool') return { type, name: requireString(choice.name, 'tool_choice.name') };
  return { type: type === 'any' ? 'required' : type };
}

function parseReasoning(
  body: Json,
  maxTokens: number | undefined,
  untranslated: string[],
): Reasoning | undefined {
  const thinking = optionalObject(body, 'thinking');
  const config = optionalObject(body, 'output_config');
  const asked = config?.effort ?? undefined;
  const effort =
    asked === undefined ? undefined : requireOneOf(asked, EFFORTS, 'output_config.effort');
  if (thinking === undefined) return effort === undefined ? undefined : { effort };
  const type = requireString(thinking.type, 'thinking.type');
  if (type === 'disabled') return { effort: 'none' };
  // Adaptive thinking without a word about effort means Anthropic's default.
  if (type === 'adaptive') return { effort: effort ?? 'high' };
  if (type !== 'enabled') {
    untranslated.push('thinking.type');
    return effort === undefined ? undefined : { effort };
  }
  const budgetTokens = optionalNumber(thinking, 'budget_tokens', {
    min: 1024,
    integer: true,
    at: 'thinking.',
  });
  if (budgetTokens === undefined) {
    throw invalid('thinking.budget_tokens', 'thinking.budget_tokens: Field required');
  }
  if (maxTokens !== undefined && budgetTokens >= maxTokens && !hasInterleaving(body)) {
    throw invalid('max_tokens', "'max_tokens' must be greater than 'thinking.budget_tokens'.");
  }
  return compact({ effort, budgetTokens });
}

/** With tools, thinking may be interleaved, and its budget may then exceed one answer's. */
function hasInterleaving(body: Json): boolean {
  return Array.isArray(body.tools) && body.tools.length > 0;
}

function parseFormat(body: Json, untranslated: string[]): ResponseFormat | undefined {
  const config = optionalObject(body, 'output_config');
  const inConfig = config === undefined ? undefined : optionalObject(config, 'format');
  // The name that the beta used.
  const format = inConfig ?? optionalObject(body, 'output_format');
  if (format === undefined) return undefined;
  const at = inConfig === undefined ? 'output_format' : 'output_config.format';
  if (format.type !== 'json_schema' || !isObject(format.schema)) {
    untranslated.push(at);
    return undefined;
  }
  return { type: 'json_schema', name: 'output', schema: format.schema, strict: true };
}
