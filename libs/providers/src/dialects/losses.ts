import {
  fieldParam,
  messageParam,
  partParam,
  type ChatCall,
  type Message,
  type Prompt,
  type PromptField,
  type Target,
} from '@sluice/kernel';
import { noteDropped, refuseOrDrop } from './unsupported.js';

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
    this.at(fieldParam(this.call.dialect, field));
  }

  /** A wish that cannot be met just now and is not worth refusing the call for: told in the answer's headers. */
  wish(field: PromptField): void {
    noteDropped(this.call, fieldParam(this.call.dialect, field));
  }

  /** A whole message. */
  message(index: number, detail: string): void {
    this.at(messageParam(this.call.dialect, index, detail));
  }

  /** One part of a message. */
  part(message: Message, index: number, part: number): void {
    this.at(partParam(this.call.dialect, message, { index, part }));
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
