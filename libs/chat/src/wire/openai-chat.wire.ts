import type { ChatCall, ChatMessage, GatewayError } from '@sluice/kernel';
import {
  bodyOf,
  optionalBoolean,
  optionalObject,
  optionalString,
  type Json,
} from './field.check.js';
import { formatChat } from './openai-chat.format.js';
import { DEFAULT_WIRE_LIMITS, parseChatBody, type WireLimits } from './openai-chat.parse.js';
import { OpenAiChatStream } from './openai-chat.stream.js';
import { openAiError } from './openai-error.format.js';
import { WireDialect, type ParsedBody, type WireStream } from './wire-dialect.js';

/** `stream_options.include_usage`, as all OpenAI routes but Responses know it. */
export function includeUsage(body: Json): boolean {
  const options = optionalObject(body, 'stream_options');
  if (options === undefined) return false;
  return optionalBoolean(options, 'include_usage', 'stream_options.') ?? false;
}

/** OpenAI Chat Completions. */
export class OpenAiChatWire extends WireDialect {
  readonly name = 'openai-chat';

  constructor(private readonly limits: WireLimits = DEFAULT_WIRE_LIMITS) {
    super();
  }

  parse(value: unknown): ParsedBody {
    const body = bodyOf(value);
    // Translated at once: checking and translating walk the same fields, and nearly every call needs both.
    const prompt = parseChatBody(body, this.limits);
    return {
      model: optionalString(body, 'model') ?? '',
      stream: optionalBoolean(body, 'stream') ?? false,
      includeUsage: includeUsage(body),
      prompt: () => prompt,
    };
  }

  format(message: ChatMessage): Record<string, unknown> {
    return formatChat(message);
  }

  stream(call: ChatCall): WireStream {
    return new OpenAiChatStream(call);
  }

  error(error: GatewayError): Record<string, unknown> {
    return openAiError(error);
  }
}
