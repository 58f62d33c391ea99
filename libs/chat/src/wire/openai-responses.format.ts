import type { ChatCall, ChatMessage, FinishReason, Part, Prompt, Usage } from '@sluice/kernel';
import { SIGNATURE_PREFIX } from './openai-responses-input.parse.js';

/** One entry of `output`. */
export type OutputItem = { readonly type: string; readonly id: string } & Record<string, unknown>;

/** Our own id: the answer may come from a cache or another dialect, and history must find it again. */
export function responseId(call: ChatCall): string {
  return `resp_${call.id.replaceAll('-', '')}`;
}

export function itemId(kind: 'msg' | 'rs' | 'fc', call: ChatCall, index: number): string {
  return `${kind}_${call.id.replaceAll('-', '')}${String(index).padStart(3, '0')}`;
}

export function responsesUsage(usage: Usage): Record<string, unknown> {
  return {
    input_tokens: usage.input,
    input_tokens_details: {
      cached_tokens: usage.cachedInput,
      cache_write_tokens: usage.cacheWrite,
    },
    output_tokens: usage.output,
    output_tokens_details: { reasoning_tokens: usage.reasoning },
    total_tokens: usage.input + usage.output,
  };
}

/** Why a response is incomplete; undefined when it is whole. */
export function incompleteReason(
  finish: FinishReason,
): 'max_output_tokens' | 'content_filter' | undefined {
  if (finish === 'length') return 'max_output_tokens';
  return finish === 'content_filter' ? 'content_filter' : undefined;
}

export interface ResponseState {
  readonly id: string;
  readonly model: string;
  readonly created: number;
  readonly output: readonly OutputItem[];
  readonly usage?: Usage;
  readonly status: 'in_progress' | 'completed' | 'incomplete' | 'failed';
  readonly incomplete?: string | undefined;
  readonly error?: Record<string, unknown>;
}

/** The response object; what the caller asked is repeated in it, as the API does. */
export function responseObject(call: ChatCall, state: ResponseState): Record<string, unknown> {
  const { body } = call;
  const text = body.text as { format?: unknown; verbosity?: unknown } | null | undefined;
  const reasoning = body.reasoning as { effort?: unknown; summary?: unknown } | null | undefined;
  return {
    id: state.id,
    object: 'response',
    created_at: state.created,
    status: state.status,
    background: false,
    error: state.error ?? null,
    incomplete_details: state.incomplete === undefined ? null : { reason: state.incomplete },
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    model: state.model,
    output: state.output,
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    previous_response_id: null,
    reasoning: { effort: reasoning?.effort ?? null, summary: reasoning?.summary ?? null },
    store: body.store ?? false,
    temperature: body.temperature ?? 1,
    text: { format: text?.format ?? { type: 'text' } },
    tool_choice: body.tool_choice ?? 'auto',
    tools: functionTools(call.prompt),
    top_p: body.top_p ?? 1,
    truncation: 'disabled',
    usage: state.usage === undefined ? null : responsesUsage(state.usage),
    metadata: body.metadata ?? {},
  };
}

function functionTools(prompt: Prompt): readonly Record<string, unknown>[] {
  return (prompt.tools ?? []).map((tool) => ({
    type: 'function',
    name: tool.name,
    description: tool.description ?? null,
    parameters: tool.parameters ?? null,
    strict: tool.strict ?? true,
  }));
}

export function formatResponse(message: ChatMessage, call: ChatCall): Record<string, unknown> {
  const choice = message.choices[0];
  const incomplete = incompleteReason(choice?.finish ?? 'stop');
  return responseObject(call, {
    id: responseId(call),
    model: message.model,
    created: message.created,
    output: outputItems(choice?.parts ?? [], call, choice?.logprobs),
    usage: message.usage,
    status: incomplete === undefined ? 'completed' : 'incomplete',
    incomplete,
  });
}

function outputItems(parts: readonly Part[], call: ChatCall, logprobs: unknown): OutputItem[] {
  const items: OutputItem[] = [];
  let content: Record<string, unknown>[] | undefined;
  let pending = tokenLogprobs(logprobs);
  for (const part of parts) {
    if (part.type === 'text' || part.type === 'refusal') {
      if (content === undefined) {
        content = [];
        items.push(messageItem(itemId('msg', call, items.length), content));
      }
      content.push(
        part.type === 'text' ? textContent(part.text, pending) : refusalContent(part.text),
      );
      pending = [];
    } else if (part.type === 'reasoning') {
      content = undefined;
      items.push(reasoningItem(itemId('rs', call, items.length), part));
    } else if (part.type === 'tool_call') {
      content = undefined;
      items.push(callItem(itemId('fc', call, items.length), part));
    }
  }
  return items;
}

/** Chat Completions' logprobs hold the tokens under `content`; Responses lists them. */
export function tokenLogprobs(logprobs: unknown): readonly unknown[] {
  const content = (logprobs as { content?: unknown } | null | undefined)?.content;
  return Array.isArray(content) ? (content as readonly unknown[]) : [];
}

export function textContent(
  text: string,
  logprobs: readonly unknown[] = [],
): Record<string, unknown> {
  return { type: 'output_text', text, annotations: [], logprobs };
}

export function refusalContent(refusal: string): Record<string, unknown> {
  return { type: 'refusal', refusal };
}

export function messageItem(
  id: string,
  content: readonly Record<string, unknown>[],
  status = 'completed',
): OutputItem {
  return { id, type: 'message', status, role: 'assistant', content };
}

export function callItem(
  id: string,
  call: { readonly id: string; readonly name: string; readonly arguments: string },
  status = 'completed',
): OutputItem {
  return {
    id,
    type: 'function_call',
    status,
    call_id: call.id,
    name: call.name,
    arguments: call.arguments,
  };
}

export function reasoningItem(
  id: string,
  part: {
    readonly text: string;
    readonly signature?: string | undefined;
    readonly redacted?: string | undefined;
  },
): OutputItem {
  const sealed =
    part.redacted ??
    (part.signature === undefined ? undefined : `${SIGNATURE_PREFIX}${part.signature}`);
  return {
    id,
    type: 'reasoning',
    summary: part.text === '' ? [] : [{ type: 'summary_text', text: part.text }],
    ...(sealed === undefined ? {} : { encrypted_content: sealed }),
  };
}
