import { textOf, type Message, type Prompt } from '@sluice/kernel';
import type { AnswerCheck } from './answer.inspection.js';

/** Longer answers are looked at by their beginning and end. */
const EDGE = 600;
const REFUSAL =
  /\b(?:i(?:'m| am) (?:sorry|unable|not able)|i (?:cannot|can't|can not|won't|will not|am not able to) (?:help|assist|answer|provide|do|complete|fulfil|comply|continue|determine|solve|access)|as an ai(?: language model)?,? i (?:cannot|can't|do not|don't)|i do(?:n't| not) (?:know|have (?:enough|access|the (?:ability|information)))|i(?:'m| am) not sure (?:how|what|i)|(?:it is )?(?:impossible|not possible) to (?:determine|answer|solve))/i;

/** Finish reason and first words say that the model gave up. */
export const refusalCheck: AnswerCheck = {
  name: 'refusal',
  inspect: (_prompt, choice) => {
    if (choice.finish === 'refusal' || choice.finish === 'content_filter') {
      return [{ fault: 'refusal', detail: choice.finish }];
    }
    if (choice.parts.some((part) => part.type === 'refusal'))
      return [{ fault: 'refusal', detail: 'refusal part' }];
    const text = textOf(choice.parts);
    if (text === '') return undefined;
    const phrase = REFUSAL.exec(text.slice(0, EDGE).replaceAll('’', "'"))?.[0];
    return phrase === undefined ? [] : [{ fault: 'refusal', detail: phrase.toLowerCase() }];
  },
};

/** Cut off, though the caller did not ask for so little. */
export const truncationCheck: AnswerCheck = {
  name: 'truncation',
  inspect: (prompt, choice) => {
    if (choice.finish === 'length') {
      // A caller who bounds the answer tightly gets what was ordered; a stronger model would be cut as well.
      const asked = prompt.maxTokens !== undefined && prompt.maxTokens <= 256;
      return asked ? undefined : [{ fault: 'truncated', detail: 'finish reason length' }];
    }
    const text = textOf(choice.parts);
    if (text === '' && !choice.parts.some((part) => part.type === 'tool_call')) {
      return [{ fault: 'empty', detail: 'no text and no tool call' }];
    }
    const fences = text.split('```').length - 1;
    return fences % 2 === 1 ? [{ fault: 'truncated', detail: 'open code fence' }] : [];
  },
};

const CODE_ASKED =
  /\b(?:write|implement|code|program|complete|fix|refactor|create)\b[^.\n]{0,80}\b(?:function|class|method|script|program|code|module|query|regex|component|endpoint|api)\b/i;
const FENCE = /```[^\n]*\n([\s\S]*?)```/g;
const HOLLOW = /^(?:\s|pass|\.\.\.|…|todo:?.*|(?:#|\/\/|--|\/\*).*|return;?|your code here)*$/i;
const CODE_LIKE = /[{};=()]|\b(?:def|function|class|return|select|import|const|let|var)\b/i;

/** Code was asked for and the blocks hold nothing but comments and placeholders. */
export const codeCheck: AnswerCheck = {
  name: 'code',
  inspect: (prompt, choice) => {
    const asked = prompt.messages.findLast((message: Message) => message.role === 'user');
    if (asked === undefined || !CODE_ASKED.test(textOf(asked.parts).slice(0, 4000)))
      return undefined;
    if (choice.parts.some((part) => part.type === 'tool_call')) return undefined;
    const text = textOf(choice.parts);
    const blocks = [...text.matchAll(FENCE)].map((match) => match[1] ?? '');
    if (blocks.length === 0) {
      return CODE_LIKE.test(text) ? [] : [{ fault: 'empty_code', detail: 'no code in the answer' }];
    }
    return blocks.every(isHollow) ? [{ fault: 'empty_code', detail: 'blocks without code' }] : [];
  },
};

function isHollow(block: string): boolean {
  const lines = block
    .split('\n')
    .filter(
      (line) => !/^\s*(?:def |function |class |public |private |async ).*[:{]?\s*$/.test(line),
    );
  return lines.every((line) => HOLLOW.test(line.replace(/^\s*[{}]\s*$/, '')));
}

/** True when the prompt asks for a number. */
export function asksForNumber(prompt: Prompt): boolean {
  const asked = prompt.messages.findLast((message) => message.role === 'user');
  if (asked === undefined) return false;
  return /\bhow (?:many|much|old|long|far|tall)\b|\b(?:calculate|compute|what is the (?:sum|total|product|average|difference|value|cost|price|probability|percentage|number))\b/i.test(
    textOf(asked.parts).slice(-2000),
  );
}
