import type { ChatMessage, Choice, FinishReason, Part, Usage } from '@sluice/kernel';

const FINISH: Readonly<Record<FinishReason, string>> = {
  stop: 'stop',
  length: 'length',
  tool_calls: 'tool_calls',
  content_filter: 'content_filter',
  // OpenAI has no reason for a model that declines without saying so in `refusal`.
  refusal: 'content_filter',
  pause: 'stop',
};

/** Clients look at `finish_reason` to see that tools are called, whatever the upstream calls it. */
export function chatFinish(
  reason: FinishReason,
  said: { readonly called: boolean; readonly refused: boolean },
): string {
  if (reason === 'stop' && said.called) return 'tool_calls';
  if (reason === 'refusal' && said.refused) return 'stop';
  return FINISH[reason];
}

/** Usage as OpenAI counts it: cached and reasoning tokens are parts of the totals. */
export function chatUsage(usage: Usage): Record<string, unknown> {
  return {
    prompt_tokens: usage.input,
    completion_tokens: usage.output,
    total_tokens: usage.input + usage.output,
    prompt_tokens_details: {
      cached_tokens: usage.cachedInput,
      ...(usage.cacheWrite === 0 ? {} : { cache_write_tokens: usage.cacheWrite }),
    },
    completion_tokens_details: { reasoning_tokens: usage.reasoning },
  };
}

export function formatChat(message: ChatMessage): Record<string, unknown> {
  return {
    id: message.id,
    object: 'chat.completion',
    created: message.created,
    model: message.model,
    choices: message.choices.map((choice) => ({
      index: choice.index,
      message: assistantMessage(choice.parts),
      logprobs: choice.logprobs ?? null,
      finish_reason: finishOf(choice),
    })),
    usage: chatUsage(message.usage),
  };
}

function finishOf({ finish, parts }: Choice): string {
  return chatFinish(finish, {
    called: parts.some((part) => part.type === 'tool_call'),
    refused: parts.some((part) => part.type === 'refusal'),
  });
}

function assistantMessage(parts: readonly Part[]): Record<string, unknown> {
  let content: string | null = null;
  let refusal: string | null = null;
  let reasoning = '';
  const details: Record<string, unknown>[] = [];
  const calls: Record<string, unknown>[] = [];
  for (const part of parts) {
    if (part.type === 'text') content = (content ?? '') + part.text;
    else if (part.type === 'refusal') refusal = (refusal ?? '') + part.text;
    else if (part.type === 'reasoning') {
      reasoning += part.text;
      const detail = reasoningDetail(part, details.length);
      if (detail !== undefined) details.push(detail);
    } else if (part.type === 'tool_call') {
      calls.push({
        id: part.id,
        type: 'function',
        function: { name: part.name, arguments: part.arguments },
      });
    }
  }
  return {
    role: 'assistant',
    content,
    refusal,
    ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
    ...(details.length === 0 ? {} : { reasoning_details: details }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  };
}

/**
 * What must come back unchanged with the next request: a signed or encrypted block, in the notation that
 * OpenRouter's clients know. Unsigned text needs no second copy.
 */
export function reasoningDetail(
  part: {
    readonly text: string;
    readonly signature?: string | undefined;
    readonly redacted?: string | undefined;
  },
  index: number,
): Record<string, unknown> | undefined {
  if (part.redacted !== undefined) {
    return { type: 'reasoning.encrypted', data: part.redacted, index };
  }
  if (part.signature === undefined) return undefined;
  return { type: 'reasoning.text', text: part.text, signature: part.signature, index };
}
