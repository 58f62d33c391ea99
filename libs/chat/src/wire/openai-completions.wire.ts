import type { ChatCall, ChatMessage, GatewayError } from '@sluice/kernel';
import { bodyOf } from './field.check.js';
import { DEFAULT_WIRE_LIMITS, type WireLimits } from './openai-sampling.parse.js';
import { includeUsage } from './openai-chat.wire.js';
import { formatCompletion } from './openai-completions.format.js';
import { parseCompletionsBody } from './openai-completions.parse.js';
import { OpenAiCompletionsStream } from './openai-completions.stream.js';
import { openAiError } from './openai-error.format.js';
import { WireDialect, parsedBody, type ParsedBody, type WireStream } from './wire-dialect.js';

/** OpenAI's legacy completions, answered by chat models. */
export class OpenAiCompletionsWire extends WireDialect {
  readonly name = 'openai-completions';

  constructor(private readonly limits: WireLimits = DEFAULT_WIRE_LIMITS) {
    super();
  }

  parse(value: unknown): ParsedBody {
    const body = bodyOf(value);
    const prompt = parseCompletionsBody(body, this.limits);
    return parsedBody(body, includeUsage(body), prompt);
  }

  format(message: ChatMessage, call: ChatCall): Record<string, unknown> {
    return formatCompletion(message, call);
  }

  stream(call: ChatCall): WireStream {
    return new OpenAiCompletionsStream(call);
  }

  error(error: GatewayError): Record<string, unknown> {
    return openAiError(error);
  }
}
