import type { Caller, ChatCall, ChatMessage, GatewayError, Message } from '@sluice/kernel';
import { bodyOf, invalid, optionalString, requireArray } from './field.check.js';
import { openAiError } from './openai-error.format.js';
import { formatResponse, responseId } from './openai-responses.format.js';
import { inputItems } from './openai-responses.items.js';
import { parseResponsesBody } from './openai-responses.parse.js';
import { OpenAiResponsesStream } from './openai-responses.stream.js';
import type { ResponseHistory } from './response-history.js';
import { WireDialect, parsedBody, type ParsedBody, type WireStream } from './wire-dialect.js';

/** OpenAI Responses. */
export class OpenAiResponsesWire extends WireDialect {
  readonly name = 'openai-responses';

  constructor(private readonly history?: ResponseHistory) {
    super();
  }

  /** Replaces `previous_response_id` by the conversation that it names. */
  override async prepare(value: unknown, caller: Caller): Promise<unknown> {
    const body = bodyOf(value);
    const previous = optionalString(body, 'previous_response_id');
    if (previous === undefined || this.history === undefined) return value;
    const earlier = await this.history.load(previous, caller);
    if (earlier === undefined) {
      throw invalid(
        'previous_response_id',
        `Previous response with id '${previous.slice(0, 128)}' not found.`,
      );
    }
    const { previous_response_id: _id, input, ...rest } = body;
    const now =
      typeof input === 'string'
        ? [{ type: 'message', role: 'user', content: input }]
        : requireArray(input, 'input');
    return { ...rest, input: [...inputItems(earlier), ...now] };
  }

  parse(value: unknown): ParsedBody {
    const body = bodyOf(value);
    if (optionalString(body, 'previous_response_id') !== undefined) {
      throw invalid(
        'previous_response_id',
        'This gateway keeps no history for this caller: send the whole conversation in `input`.',
      );
    }
    const prompt = parseResponsesBody(body);
    // Responses streams always report usage.
    return parsedBody(body, true, prompt);
  }

  format(message: ChatMessage, call: ChatCall): Record<string, unknown> {
    return formatResponse(message, call);
  }

  stream(call: ChatCall): WireStream {
    return new OpenAiResponsesStream(call);
  }

  error(error: GatewayError): Record<string, unknown> {
    return openAiError(error);
  }

  /** Keeps the turn for a later `previous_response_id`, unless the caller said `store: false`. */
  override async remember(call: ChatCall, answer: ChatMessage): Promise<void> {
    if (this.history === undefined || call.body.store === false) return;
    const asked = call.prompt.messages;
    // Instructions hold for one response only.
    const instructed = typeof call.body.instructions === 'string' && asked[0]?.role === 'system';
    const said: Message = { role: 'assistant', parts: answer.choices[0]?.parts ?? [] };
    const turn = [...(instructed ? asked.slice(1) : asked), said];
    await this.history.save(responseId(call), call.caller, turn);
  }
}
