import {
  GatewayError,
  eventsOf,
  ChatChunk,
  parseExact,
  type ChatCall,
  type StopSignal,
  type Target,
} from '@sluice/kernel';
import {
  HttpClient,
  HttpFailure,
  type DnsCache,
  type HttpHeaders,
  type HttpResponse,
  type SseEvent,
} from '@sluice/http-client';
import {
  ProviderAdapter,
  type CountRequest,
  type EmbeddingAnswer,
  type EmbeddingRequest,
  type ProviderAnswer,
} from './provider-adapter.js';
import type { DialectRequest, DialectStreamReader, ProviderDialect } from './provider-dialect.js';
import { upstreamFailure } from './upstream.failure.js';

/** The part of a provider's configuration that every HTTP provider has. Milliseconds. */
export interface HttpProviderConfig {
  readonly id: string;
  readonly baseUrl: string;
  readonly apiKey?: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeout: number;
  readonly connectTimeout: number;
  readonly firstTokenTimeout: number;
  readonly idleTimeout: number;
}

/** What all HTTP providers share. */
export interface HttpProviderNet {
  readonly dns: DnsCache;
  /** @param call whose flag is asked */
  readonly keepsAlive: (call?: ChatCall) => boolean;
}

/** How a request goes out. */
interface Way {
  readonly signal: StopSignal;
  readonly stream: boolean;
  readonly keepAlive: boolean;
  readonly onSending?: () => void;
}

/** What an error answer may take of memory. */
const MAX_ERROR_TEXT = 64 * 1024;

/** A provider that speaks HTTP with JSON and server-sent events: a dialect for the words, undici for the way. */
export class HttpProvider extends ProviderAdapter {
  override readonly tellsSending = true;
  readonly #client: HttpClient;
  readonly #origin: string;
  readonly #basePath: string;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(
    private readonly config: HttpProviderConfig,
    private readonly dialect: ProviderDialect,
    private readonly net: HttpProviderNet,
  ) {
    super();
    const base = new URL(config.baseUrl);
    this.#origin = base.origin;
    this.#basePath = base.pathname.replace(/\/+$/, '');
    this.#headers = {
      ...(config.apiKey === undefined ? {} : dialect.auth(config.apiKey)),
      ...config.headers,
    };
    this.#client = new HttpClient({
      lookup: net.dns.lookup,
      connectTimeoutMs: config.connectTimeout,
    });
  }

  override async chat(call: ChatCall, target: Target, signal: StopSignal): Promise<ProviderAnswer> {
    const response = await this.#post(this.dialect.request(call, target), {
      signal,
      stream: call.stream,
      keepAlive: this.net.keepsAlive(call),
      onSending: () => {
        call.hold.sending(target);
      },
    });
    if (response.status >= 300) throw await this.#refusal(response, target);
    const type = one(response.headers['content-type']);
    if (call.stream && type?.startsWith('application/json') !== true) {
      return this.#stream(response, call);
    }
    const text = await this.#text(response);
    const body = this.#json(text);
    const message = this.dialect.message(body, call);
    if (call.stream) {
      // A server that does not stream answers whole: told again as the stream that was asked for.
      const whole = ChatChunk.of(...eventsOf(message));
      return { kind: 'stream', chunks: once(whole), usage: () => message.usage };
    }
    return { kind: 'message', message, wire: { dialect: this.dialect.name, body, json: text } };
  }

  override async embed(
    request: EmbeddingRequest,
    target: Target,
    signal: StopSignal,
  ): Promise<EmbeddingAnswer> {
    if (this.dialect.embedding === undefined || this.dialect.embedded === undefined) {
      throw new GatewayError('invalid_request', `Model '${target.model}' makes no embeddings.`, {
        param: 'model',
      });
    }
    const response = await this.#post(this.dialect.embedding(request, target), this.#whole(signal));
    if (response.status >= 300) throw await this.#refusal(response, target);
    return this.dialect.embedded(this.#json(await this.#text(response)), request);
  }

  override async count(
    request: CountRequest,
    target: Target,
    signal: StopSignal,
  ): Promise<Readonly<Record<string, unknown>> | undefined> {
    if (request.dialect !== this.dialect.name || this.dialect.counting === undefined) {
      return undefined;
    }
    const response = await this.#post(this.dialect.counting(request, target), this.#whole(signal));
    if (response.status >= 300) throw await this.#refusal(response, target);
    return this.#json(await this.#text(response));
  }

  /** How everything but chat is asked. */
  #whole(signal: StopSignal): Way {
    return { signal, stream: false, keepAlive: this.net.keepsAlive() };
  }

  override close(): Promise<void> {
    return this.#client.close();
  }

  #post(request: DialectRequest, way: Way): Promise<HttpResponse> {
    const { signal, stream, keepAlive, onSending } = way;
    return this.#client
      .post({
        origin: this.#origin,
        path: this.#basePath + request.path,
        headers:
          request.headers === undefined ? this.#headers : { ...request.headers, ...this.#headers },
        body: request.json ?? JSON.stringify(request.body),
        signal,
        plain: stream,
        keepAlive,
        idleMs: this.config.idleTimeout,
        firstByteMs: stream ? this.config.firstTokenTimeout : undefined,
        totalMs: stream ? undefined : this.config.timeout,
        onSending,
      })
      .catch(this.#failed);
  }

  #text(response: HttpResponse): Promise<string> {
    return response.text().catch(this.#failed);
  }

  readonly #failed = (error: unknown): never => {
    throw upstreamFailure(error, this.config.id);
  };

  #json(text: string): Record<string, unknown> {
    let body: unknown;
    try {
      body = parseExact(text);
    } catch (error) {
      throw rubbish(this.config.id, error);
    }
    if (typeof body !== 'object' || body === null || Array.isArray(body))
      throw rubbish(this.config.id);
    return body as Record<string, unknown>;
  }

  async #refusal(response: HttpResponse, target: Target): Promise<GatewayError> {
    const facts = { status: response.status, headers: flat(response.headers) };
    let text = '';
    try {
      text = await response.text();
    } catch {
      // The status alone says enough.
    }
    let body: unknown = text.slice(0, MAX_ERROR_TEXT);
    if (text.length <= MAX_ERROR_TEXT) {
      try {
        body = JSON.parse(text);
      } catch {
        // Kept as text.
      }
    }
    return this.dialect.failure(facts, body, target);
  }

  #stream(response: HttpResponse, call: ChatCall): ProviderAnswer {
    const reader = this.dialect.reader(call);
    return {
      kind: 'stream',
      chunks: new DialectStream(response, reader, this.config.id),
      usage: () => reader.usage(),
      ...(reader.produced === undefined ? {} : { produced: () => reader.produced?.() ?? 0 }),
    };
  }
}

/** The chunks of an upstream stream. Hand-written: it must free the socket even when it is never pulled. */
class DialectStream implements AsyncIterableIterator<ChatChunk> {
  readonly #events: AsyncIterableIterator<readonly SseEvent[]>;
  #batch: readonly SseEvent[] = [];
  #at = 0;

  constructor(
    response: HttpResponse,
    private readonly reader: DialectStreamReader,
    private readonly provider: string,
  ) {
    this.#events = response.events();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  take(): ChatChunk | undefined {
    while (this.#at < this.#batch.length) {
      const event = this.#batch[this.#at++];
      const chunk = event === undefined ? undefined : this.#read(event);
      if (chunk !== undefined) return chunk;
    }
    return undefined;
  }

  async next(): Promise<IteratorResult<ChatChunk>> {
    for (;;) {
      const chunk = this.take();
      if (chunk !== undefined) return { done: false, value: chunk };
      const step = await this.#pull();
      if (step.done === true) {
        if (this.reader.done()) return { done: true, value: undefined };
        throw new GatewayError('upstream_error', "The upstream's stream ended early.", {
          facts: { provider: this.provider },
        });
      }
      this.#batch = step.value;
      this.#at = 0;
    }
  }

  async return(): Promise<IteratorResult<ChatChunk>> {
    await this.#events.return?.();
    return { done: true, value: undefined };
  }

  #read(event: SseEvent): ChatChunk | undefined {
    try {
      return this.reader.read(event);
    } catch (error) {
      void this.return();
      throw error instanceof GatewayError ? error : rubbish(this.provider, error);
    }
  }

  async #pull(): Promise<IteratorResult<readonly SseEvent[]>> {
    try {
      return await this.#events.next();
    } catch (error) {
      // An answer that was said to be whole stays whole, whatever happens to its connection afterwards.
      if (error instanceof HttpFailure && error.kind === 'broken' && this.reader.done()) {
        return { done: true, value: undefined };
      }
      throw upstreamFailure(error, this.provider);
    }
  }
}

function rubbish(provider: string, cause?: unknown): GatewayError {
  return new GatewayError(
    'upstream_error',
    'The upstream sent an answer that cannot be understood.',
    {
      facts: { provider },
      cause,
    },
  );
}

function one(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

function flat(headers: HttpHeaders): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, one(value)]));
}

async function* once(chunk: ChatChunk): AsyncGenerator<ChatChunk> {
  yield chunk;
}
