import {
  ChatChunk,
  GatewayError,
  MessageAssembler,
  parseExact,
  type ChatCall,
  type ChatMessage,
  type Target,
  type Usage,
} from '@sluice/kernel';
import {
  ProviderDialect,
  type DialectRequest,
  type DialectStreamReader,
  type SseEvent,
  type UpstreamResponseFacts,
} from '../../provider-dialect.js';
import { codeOfStatus, retryAdviceOf } from '../../upstream.failure.js';
import { contentBody } from './gemini.body.js';
import {
  BROKEN_FINISHES,
  GeminiEvents,
  isObject,
  list,
  usageOf,
  type WireResponse,
} from './gemini.message.js';

interface WireError {
  readonly code?: unknown;
  readonly message?: unknown;
  readonly status?: unknown;
  readonly details?: unknown;
}

type Failure = (body: unknown) => GatewayError;

/** Gemini's generateContent and streamGenerateContent. */
export class GeminiDialect extends ProviderDialect {
  override readonly name = 'gemini';

  /** @param provider the provider's id, for error reports */
  constructor(private readonly provider: string) {
    super();
  }

  override auth(apiKey: string): Readonly<Record<string, string>> {
    return { 'x-goog-api-key': apiKey };
  }

  override request(call: ChatCall, target: Target): DialectRequest {
    const method = call.stream ? 'streamGenerateContent?alt=sse' : 'generateContent';
    return {
      path: `/v1beta/models/${encodeURIComponent(target.upstream)}:${method}`,
      headers: {},
      body: contentBody(call, target),
    };
  }

  override message(body: Readonly<Record<string, unknown>>): ChatMessage {
    const response = checked(body, this.#inBand);
    if (list(response.candidates).length === 0 && !isBlocked(response)) {
      throw new GatewayError('upstream_error', 'The upstream sent an answer without candidates.');
    }
    const assembler = new MessageAssembler();
    for (const event of new GeminiEvents().read(response)) assembler.addEvent(event);
    return assembler.message();
  }

  override reader(call: ChatCall): DialectStreamReader {
    return new GeminiReader(call.prompt.n ?? 1, this.#inBand);
  }

  override failure(response: UpstreamResponseFacts, body: unknown): GatewayError {
    return this.#failure(response, body);
  }

  /** An error in the body of an answer whose status said that all is well. */
  readonly #inBand: Failure = (body) => {
    const { code } = errorIn(body);
    const status = typeof code === 'number' && code >= 400 ? code : 502;
    return this.#failure({ status, headers: {} }, body);
  };

  #failure({ status, headers }: UpstreamResponseFacts, body: unknown): GatewayError {
    const error = errorIn(body);
    const said = typeof error.message === 'string' ? error.message : '';
    const tooLong = status === 400 && /token count .*exceeds|maximum number of tokens/i.test(said);
    // A wrong key is a 400 here.
    const badKey = status === 400 && /api key/i.test(said);
    const code = tooLong ? 'context_too_long' : codeOfStatus(badKey ? 401 : status);
    const message = said === '' ? `The upstream answered with status ${status}.` : said;
    return new GatewayError(code, message, {
      ...retryAdviceOf({ status, headers }, Date.now()),
      ...retryDelay(error.details),
      upstream: { provider: this.provider, status, dialect: this.name, body },
    });
  }
}

/** Reads a stream of whole responses, each with the running total of its usage. */
class GeminiReader implements DialectStreamReader {
  readonly #events = new GeminiEvents();
  readonly #finished = new Set<number>();
  #usage: Usage | undefined;
  #blocked = false;

  constructor(
    private readonly choices: number,
    private readonly failure: Failure,
  ) {}

  read({ data }: SseEvent): ChatChunk | undefined {
    if (data === '') return undefined;
    const response = checked(parseExact(data), this.failure);
    this.#usage = usageOf(response.usageMetadata) ?? this.#usage;
    const events = this.#events.read(response);
    for (const event of events) if (event.type === 'finish') this.#finished.add(event.choice);
    this.#blocked ||= isBlocked(response);
    return ChatChunk.of(...events);
  }

  usage(): Usage | undefined {
    return this.#usage;
  }

  /** There is no end marker: the answer is whole when every candidate says why it ended. */
  done(): boolean {
    return this.#blocked || this.#finished.size >= this.choices;
  }
}

/** @throws GatewayError for an error told in the body, and for the model's own failures */
function checked(value: unknown, failure: Failure): WireResponse {
  const body = Array.isArray(value) ? (value[0] as unknown) : value;
  if (!isObject(body)) {
    throw new GatewayError('upstream_error', 'The upstream sent an answer that is no object.');
  }
  const response = body as WireResponse;
  if (isObject(response.error)) throw failure(response);
  for (const candidate of list(response.candidates)) {
    if (BROKEN_FINISHES.has(candidate?.finishReason ?? '')) {
      throw new GatewayError('upstream_error', 'The model wrote a malformed tool call.');
    }
  }
  return response;
}

/** The prompt itself was refused: there will be no candidates. */
function isBlocked({ promptFeedback }: WireResponse): boolean {
  return isObject(promptFeedback) && promptFeedback.blockReason !== undefined;
}

function errorIn(body: unknown): WireError {
  const first: unknown = Array.isArray(body) ? body[0] : body;
  const error = (first as { error?: unknown } | null | undefined)?.error;
  return isObject(error) ? error : {};
}

/** `RetryInfo` among the details: `{"retryDelay": "34s"}`. */
function retryDelay(details: unknown): { readonly retryAfterMs: number } | undefined {
  if (!Array.isArray(details)) return undefined;
  for (const detail of details as readonly unknown[]) {
    const delay = (detail as { retryDelay?: unknown } | null)?.retryDelay;
    const seconds = typeof delay === 'string' ? Number(delay.replace(/s$/, '')) : NaN;
    if (Number.isFinite(seconds) && seconds >= 0) return { retryAfterMs: seconds * 1000 };
  }
  return undefined;
}
