import type { ChatCall, DialectName, Message, Prompt, Target } from '@sluice/kernel';
import { refuseOrDrop } from './unsupported.js';

/** Fields of a prompt that not every target can express. */
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

/**
 * What a target cannot express of one call. Each loss is refused, or noted in `x-sluice-dropped` where the
 * caller allows that, and is named in the caller's own notation.
 */
export class Losses {
  constructor(
    private readonly call: ChatCall,
    private readonly target: Target,
  ) {}

  at(param: string): void {
    refuseOrDrop(this.call, param, this.target.model);
  }

  field(field: PromptField): void {
    this.at(OTHER_NAMES[this.call.dialect]?.[field] ?? NAMES[field]);
  }

  /** A whole message; only Chat Completions has them one to one, so elsewhere the list is named. */
  message(index: number, detail: string): void {
    const list = MESSAGES[this.call.dialect] ?? 'messages';
    const exact = this.call.dialect === 'openai-chat' || this.call.dialect === 'sluice';
    this.at(exact ? `${list}[${index}].${detail}` : list);
  }

  /** One part of a message. */
  part(message: Message, index: number, part: number): void {
    const before = message.parts.slice(0, part).filter((p) => p.type === 'reasoning').length;
    this.message(index, `content[${part - before}]`);
  }

  /** Fields that no neutral form holds, and those of `fields` that the prompt sets to something. */
  check(prompt: Prompt, fields: readonly PromptField[]): void {
    for (const param of prompt.untranslated ?? []) this.at(param);
    for (const field of fields) if (asksForSomething(prompt, field)) this.field(field);
  }
}

/** Neutral values (`n: 1`, `logprobs: false`) ask for what every target does anyway. */
function asksForSomething(prompt: Prompt, field: PromptField): boolean {
  const value = prompt[field];
  if (value === undefined) return false;
  if (field === 'n') return value !== 1;
  if (field === 'parallelToolCalls') return value === false;
  if (field === 'responseFormat') return prompt.responseFormat?.type !== 'text';
  if (field === 'reasoning') return prompt.reasoning?.effort !== 'none';
  return value !== 0 && value !== false;
}
