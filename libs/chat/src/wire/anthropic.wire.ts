import type { ChatCall, ChatMessage, GatewayError, Prompt } from '@sluice/kernel';
import { anthropicError, formatMessages } from './anthropic.format.js';
import { parseMessagesBody } from './anthropic.parse.js';
import { AnthropicStream } from './anthropic.stream.js';
import { bodyOf, optionalString } from './field.check.js';
import { WireDialect, parsedBody, type ParsedBody, type WireStream } from './wire-dialect.js';

/** The body of `/v1/messages/count_tokens`: a message body that asks for no answer. */
export function parseCountBody(value: unknown): {
  readonly model: string;
  readonly prompt: Prompt;
} {
  const body = bodyOf(value);
  return {
    model: optionalString(body, 'model') ?? '',
    prompt: parseMessagesBody(body, { maxTokens: false }),
  };
}

/** Anthropic Messages. */
export class AnthropicWire extends WireDialect {
  readonly name = 'anthropic';

  parse(value: unknown): ParsedBody {
    const body = bodyOf(value);
    const prompt = parseMessagesBody(body, { maxTokens: true });
    // Messages streams always report usage.
    return parsedBody(body, true, prompt);
  }

  format(message: ChatMessage): Record<string, unknown> {
    return formatMessages(message);
  }

  stream(call: ChatCall): WireStream {
    return new AnthropicStream(call);
  }

  error(error: GatewayError, requestId: string): Record<string, unknown> {
    return anthropicError(error, requestId);
  }
}
