import {
  parseExact,
  type ChatMessage,
  type ErrorCode,
  type FinishReason,
  type GatewayError,
  type Part,
  type Usage,
} from '@sluice/kernel';
import { isObject } from './field.check.js';

const STOP: Readonly<Record<FinishReason, string>> = {
  stop: 'end_turn',
  length: 'max_tokens',
  tool_calls: 'tool_use',
  content_filter: 'refusal',
  refusal: 'refusal',
  pause: 'pause_turn',
};

export function stopReason(
  reason: FinishReason,
  facts: { readonly stopSequence?: string | undefined; readonly calledTools: boolean },
): { stop_reason: string; stop_sequence: string | null } {
  if (reason === 'stop' && facts.stopSequence !== undefined) {
    return { stop_reason: 'stop_sequence', stop_sequence: facts.stopSequence };
  }
  const called = reason === 'stop' && facts.calledTools;
  return { stop_reason: STOP[called ? 'tool_calls' : reason], stop_sequence: null };
}

/** Anthropic counts cache reads and writes beside `input_tokens`, not in them. */
export function messagesUsage(usage: Usage): Record<string, number> {
  return {
    input_tokens: Math.max(0, usage.input - usage.cachedInput - usage.cacheWrite),
    cache_creation_input_tokens: usage.cacheWrite,
    cache_read_input_tokens: usage.cachedInput,
    output_tokens: usage.output,
  };
}

export function formatMessages(message: ChatMessage): Record<string, unknown> {
  const choice = message.choices[0];
  const content = (choice?.parts ?? []).map(outputBlock).filter((block) => block !== undefined);
  return {
    id: message.id,
    type: 'message',
    role: 'assistant',
    model: message.model,
    content,
    ...stopReason(choice?.finish ?? 'stop', {
      stopSequence: choice?.stopSequence,
      calledTools: content.some((block) => block.type === 'tool_use'),
    }),
    usage: messagesUsage(message.usage),
  };
}

type OutputBlock = { readonly type: string } & Record<string, unknown>;

function outputBlock(part: Part): OutputBlock | undefined {
  switch (part.type) {
    case 'text':
    case 'refusal':
      return { type: 'text', text: part.text };
    case 'reasoning':
      return part.redacted === undefined
        ? { type: 'thinking', thinking: part.text, signature: part.signature ?? '' }
        : { type: 'redacted_thinking', data: part.redacted };
    case 'tool_call':
      return {
        type: 'tool_use',
        id: part.id,
        name: part.name,
        input: toolInput(part.arguments),
      };
    default:
      return undefined;
  }
}

/** `input` must be an object; text that is none is handed on under the key that Anthropic's guide proposes. */
function toolInput(text: string): Record<string, unknown> {
  if (text.trim() === '') return {};
  try {
    const value = parseExact(text);
    if (isObject(value)) return value;
  } catch {
    // Falls through: the model wrote broken JSON, and its caller should see what it wrote.
  }
  return { INVALID_JSON: text };
}

const ERROR_TYPES: Readonly<Record<ErrorCode, string>> = {
  invalid_request: 'invalid_request_error',
  context_too_long: 'invalid_request_error',
  unprocessable: 'invalid_request_error',
  method_not_allowed: 'invalid_request_error',
  conflict: 'invalid_request_error',
  client_closed: 'invalid_request_error',
  unauthorized: 'authentication_error',
  budget_exhausted: 'billing_error',
  forbidden: 'permission_error',
  not_found: 'not_found_error',
  model_not_found: 'not_found_error',
  body_too_large: 'request_too_large',
  header_too_large: 'request_too_large',
  rate_limited: 'rate_limit_error',
  token_limit: 'rate_limit_error',
  internal: 'api_error',
  upstream_error: 'api_error',
  emergency_shutdown: 'api_error',
  upstream_timeout: 'timeout_error',
  overloaded: 'overloaded_error',
};

/** `{type: 'error', error: {type, message}, request_id}`; an Anthropic upstream's own wording is kept. */
export function anthropicError(
  error: GatewayError,
  requestId: string,
): { type: string } & Record<string, unknown> {
  const { upstream } = error;
  const original =
    upstream?.dialect === 'anthropic' && isObject(upstream.body) ? upstream.body.error : undefined;
  const body =
    isObject(original) && typeof original.message === 'string'
      ? original
      : { type: ERROR_TYPES[error.code], message: messageOf(error) };
  return { type: 'error', error: body, request_id: requestId };
}

/** Anthropic's errors have no `param`, so the field is named in the text. */
function messageOf(error: GatewayError): string {
  if (error.param === undefined || error.message.includes(error.param)) return error.message;
  return `${error.param}: ${error.message}`;
}

/** The HTTP status on Anthropic's routes: as everywhere but for `overloaded_error`, which is 529 there. */
export function anthropicStatus(error: GatewayError): number {
  return error.code === 'overloaded' ? 529 : error.status;
}
