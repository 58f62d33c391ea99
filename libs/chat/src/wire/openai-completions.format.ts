import { textOf, type ChatCall, type ChatMessage, type FinishReason } from '@sluice/kernel';
import { isObject } from './field.check.js';
import { chatUsage } from './openai-chat.format.js';

/** This route knows three reasons; there are no tools to call. */
export function completionFinish(reason: FinishReason): string {
  if (reason === 'length') return 'length';
  return reason === 'content_filter' || reason === 'refusal' ? 'content_filter' : 'stop';
}

/** The prompt, where the caller wants it repeated in front of the answer. */
export function echoed(call: ChatCall): string {
  return call.body.echo === true ? textOf(call.prompt.messages[0]?.parts ?? []) : '';
}

export function formatCompletion(message: ChatMessage, call: ChatCall): Record<string, unknown> {
  const echo = echoed(call);
  return {
    id: message.id,
    object: 'text_completion',
    created: message.created,
    model: message.model,
    choices: message.choices.map((choice) => ({
      text: echo + choice.parts.map((p) => (p.type === 'text' ? p.text : '')).join(''),
      index: choice.index,
      logprobs: legacyLogprobs(choice.logprobs, echo.length),
      finish_reason: completionFinish(choice.finish),
    })),
    usage: chatUsage(message.usage),
  };
}

/** Chat's list of tokens as the parallel lists of the legacy route. `offset` counts UTF-16 units of text before. */
export function legacyLogprobs(logprobs: unknown, offset: number): Record<string, unknown> | null {
  if (!isObject(logprobs) || !Array.isArray(logprobs.content)) return null;
  const tokens: string[] = [];
  const token_logprobs: number[] = [];
  const top_logprobs: Record<string, number>[] = [];
  const text_offset: number[] = [];
  let at = offset;
  for (const item of logprobs.content as readonly unknown[]) {
    if (!isObject(item)) continue;
    const token = typeof item.token === 'string' ? item.token : '';
    tokens.push(token);
    token_logprobs.push(typeof item.logprob === 'number' ? item.logprob : 0);
    text_offset.push(at);
    at += token.length;
    const top: Record<string, number> = {};
    for (const other of Array.isArray(item.top_logprobs) ? item.top_logprobs : []) {
      if (isObject(other) && typeof other.token === 'string' && typeof other.logprob === 'number') {
        top[other.token] = other.logprob;
      }
    }
    top_logprobs.push(top);
  }
  return { tokens, token_logprobs, top_logprobs, text_offset };
}
