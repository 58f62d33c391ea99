import type { DialectName } from './event.js';
import type { Message } from './prompt.js';

/** Fields of a prompt that not every target can take. */
export type PromptField =
  | 'n'
  | 'seed'
  | 'topK'
  | 'temperature'
  | 'frequencyPenalty'
  | 'presencePenalty'
  | 'logprobs'
  | 'topLogprobs'
  | 'stop'
  | 'responseFormat'
  | 'reasoning'
  | 'tools'
  | 'toolChoice'
  | 'parallelToolCalls'
  | 'user';

/** How Chat Completions calls them; the other dialects below where they differ. */
const NAMES: Readonly<Record<PromptField, string>> = {
  n: 'n',
  seed: 'seed',
  topK: 'top_k',
  temperature: 'temperature',
  frequencyPenalty: 'frequency_penalty',
  presencePenalty: 'presence_penalty',
  logprobs: 'logprobs',
  topLogprobs: 'top_logprobs',
  stop: 'stop',
  responseFormat: 'response_format',
  reasoning: 'reasoning_effort',
  tools: 'tools',
  toolChoice: 'tool_choice',
  parallelToolCalls: 'parallel_tool_calls',
  user: 'user',
};
const OTHER_NAMES: Partial<Record<DialectName, Partial<Record<PromptField, string>>>> = {
  anthropic: {
    stop: 'stop_sequences',
    responseFormat: 'output_config.format',
    reasoning: 'thinking',
    parallelToolCalls: 'tool_choice.disable_parallel_tool_use',
    user: 'metadata.user_id',
  },
  'openai-responses': {
    responseFormat: 'text.format',
    reasoning: 'reasoning',
    logprobs: 'include',
  },
};
const MESSAGES: Partial<Record<DialectName, string>> = {
  'openai-responses': 'input',
  'openai-completions': 'prompt',
};

/** What the caller of a dialect knows a field of the neutral prompt by, for `param` of an error. */
export function fieldParam(dialect: DialectName, field: PromptField): string {
  return OTHER_NAMES[dialect]?.[field] ?? NAMES[field];
}

/** A whole message; only Chat Completions has them one to one, so elsewhere the list is named. */
export function messageParam(dialect: DialectName, index: number, detail: string): string {
  const list = MESSAGES[dialect] ?? 'messages';
  return dialect === 'openai-chat' || dialect === 'sluice' ? `${list}[${index}].${detail}` : list;
}

/** One part of a message. Reasoning has a place of its own there, not among the content. */
export function partParam(
  dialect: DialectName,
  message: Message,
  place: { readonly index: number; readonly part: number },
): string {
  const before = message.parts.slice(0, place.part).filter((p) => p.type === 'reasoning').length;
  return messageParam(dialect, place.index, `content[${place.part - before}]`);
}
