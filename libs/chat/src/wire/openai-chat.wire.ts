import type { ChatCall, ChatMessage, DialectName, GatewayError } from '@sluice/kernel';
import { bodyOf, optionalBoolean, optionalObject, type Json } from './field.check.js';
import { formatChat } from './openai-chat.format.js';
import { parseChatBody } from './openai-chat.parse.js';
import { DEFAULT_WIRE_LIMITS, type WireLimits } from './openai-sampling.parse.js';
import { OpenAiChatStream } from './openai-chat.stream.js';
import { openAiError } from './openai-error.format.js';
import { WireDialect, parsedBody, type ParsedBody, type WireStream } from './wire-dialect.js';

/** `stream_options.include_usage`, as all OpenAI routes but Responses know it. */
export function includeUsage(body: Json): boolean {
  const options = optionalObject(body, 'stream_options');
  if (options === undefined) return false;
  return optionalBoolean(options, 'include_usage', 'stream_options.') ?? false;
}

/** OpenAI Chat Completions. */
export class OpenAiChatWire extends WireDialect {
  readonly name: DialectName = 'openai-chat';

  constructor(private readonly limits: WireLimits = DEFAULT_WIRE_LIMITS) {
    super();
  }

  parse(value: unknown): ParsedBody {
    const body = bodyOf(value);
    const prompt = parseChatBody(body, this.limits);
    return parsedBody(body, includeUsage(body), prompt);
  }

  format(message: ChatMessage, _call: ChatCall): Record<string, unknown> {
    return formatChat(message);
  }

  stream(call: ChatCall): WireStream {
    return new OpenAiChatStream(call);
  }

  error(error: GatewayError): Record<string, unknown> {
    return openAiError(error);
  }
}
