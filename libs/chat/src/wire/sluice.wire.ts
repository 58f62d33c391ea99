import {
  microToUsd,
  textOf,
  type ChatCall,
  type ChatMessage,
  type GatewayError,
} from '@sluice/kernel';
import { bodyOf, optionalBoolean, optionalString } from './field.check.js';
import { includeUsage } from './openai-chat.wire.js';
import { chatUsage } from './openai-chat.format.js';
import { DEFAULT_WIRE_LIMITS, parseChatBody, type WireLimits } from './openai-chat.parse.js';
import { OpenAiChatStream } from './openai-chat.stream.js';
import { openAiError } from './openai-error.format.js';
import { WireDialect, type ParsedBody, type WireStream } from './wire-dialect.js';

/**
 * `POST /chat`: nothing but `messages` is needed, and the router chooses. Whatever else Chat Completions takes is taken
 * too; a stream, when asked for, is Chat Completions SSE.
 */
export class SluiceWire extends WireDialect {
  readonly name = 'sluice';

  constructor(private readonly limits: WireLimits = DEFAULT_WIRE_LIMITS) {
    super();
  }

  parse(value: unknown): ParsedBody {
    const body = bodyOf(value);
    const prompt = parseChatBody(body, this.limits);
    return {
      model: optionalString(body, 'model') ?? '',
      stream: optionalBoolean(body, 'stream') ?? false,
      includeUsage: includeUsage(body),
      prompt: () => prompt,
    };
  }

  format(message: ChatMessage, call: ChatCall): Record<string, unknown> {
    const { journal } = call;
    const served = journal.servedBy;
    // A hit and a coalesced follower made no attempt of their own and cost nothing.
    const cost = journal.attempts.reduce((sum, a) => sum + (a.costMicroUsd ?? 0), 0);
    return {
      id: message.id,
      content: textOf(message.choices[0]?.parts ?? []),
      model: served?.model ?? message.model,
      provider: served?.provider ?? null,
      cache: journal.cache?.verdict ?? 'bypass',
      usage: chatUsage(message.usage),
      cost_usd: microToUsd(cost),
    };
  }

  stream(call: ChatCall): WireStream {
    return new OpenAiChatStream(call);
  }

  error(error: GatewayError): Record<string, unknown> {
    return openAiError(error);
  }
}
