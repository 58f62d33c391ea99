import type { BedrockRuntimeClient, ConverseStreamOutput } from '@aws-sdk/client-bedrock-runtime';
import {
  ChatChunk,
  GatewayError,
  uuidv7,
  type ChatCall,
  type ErrorCode,
  type StopSignal,
  type Target,
} from '@sluice/kernel';
import { ProviderAdapter, type ProviderAnswer } from '../../provider-adapter.js';
import { codeOfStatus } from '../../upstream.failure.js';
import { converseInput } from './bedrock.body.js';
import { BedrockEvents, messageOf } from './bedrock.events.js';
import { Deadlines } from '../deadlines.js';

/** The part of a Bedrock provider's configuration that is used here. Milliseconds. */
export interface BedrockConfig {
  readonly id: string;
  readonly region?: string | undefined;
  /** Overrides the region's public endpoint: a VPC endpoint or a proxy. */
  readonly endpoint?: string | undefined;
  readonly timeout: number;
  readonly connectTimeout: number;
  readonly firstTokenTimeout: number;
  readonly idleTimeout: number;
  readonly maxConcurrent: number;
}

type Sdk = typeof import('@aws-sdk/client-bedrock-runtime');
interface Loaded {
  readonly sdk: Sdk;
  readonly client: BedrockRuntimeClient;
}
interface Streamed {
  readonly stream?: AsyncIterable<ConverseStreamOutput> | undefined;
}

const CODES: Readonly<Record<string, ErrorCode>> = {
  ThrottlingException: 'rate_limited',
  ServiceQuotaExceededException: 'rate_limited',
  ValidationException: 'invalid_request',
  AccessDeniedException: 'forbidden',
  UnrecognizedClientException: 'unauthorized',
  ExpiredTokenException: 'unauthorized',
  ResourceNotFoundException: 'model_not_found',
  ModelTimeoutException: 'upstream_timeout',
};
const TOO_LONG = /too long|too many (?:input )?tokens|context (?:window|length)|maximum tokens/i;

/** Amazon Bedrock through Converse and ConverseStream. The SDK is loaded with the first call. */
export class BedrockAdapter extends ProviderAdapter {
  #loaded: Promise<Loaded> | undefined;

  constructor(private readonly config: BedrockConfig) {
    super();
  }

  override async chat(call: ChatCall, target: Target, signal: StopSignal): Promise<ProviderAnswer> {
    const input = converseInput(call, target);
    const { sdk, client } = await this.#load();
    const deadlines = new Deadlines(signal);
    const facts = { id: `msg_${uuidv7().replaceAll('-', '')}`, model: target.upstream };
    try {
      if (!call.stream) {
        deadlines.within(this.config.timeout);
        const command = new sdk.ConverseCommand(input);
        const answer = await client.send(command, { abortSignal: deadlines.signal });
        deadlines.end();
        return { kind: 'message', message: messageOf(answer, facts) };
      }
      deadlines.within(this.config.firstTokenTimeout);
      const command = new sdk.ConverseStreamCommand(input);
      const answer = await client.send(command, { abortSignal: deadlines.signal });
      return this.#stream(answer, deadlines, facts);
    } catch (error) {
      // Asked before the exchange is ended: ending it looks like a caller who left.
      const failure = this.#failure(error, deadlines);
      deadlines.end(true);
      throw failure;
    }
  }

  override async close(): Promise<void> {
    const loaded = await this.#loaded;
    loaded?.client.destroy();
  }

  #stream(
    answer: Streamed,
    deadlines: Deadlines,
    facts: { readonly id: string; readonly model: string },
  ): ProviderAnswer {
    const events = new BedrockEvents();
    const chunks = new BedrockStream(answer, { events, deadlines, ...facts }, (error) =>
      this.#failure(error, deadlines),
    );
    chunks.idleMs = this.config.idleTimeout;
    return { kind: 'stream', chunks, usage: () => events.usage };
  }

  async #load(): Promise<Loaded> {
    this.#loaded ??= this.#connect();
    return this.#loaded;
  }

  async #connect(): Promise<Loaded> {
    const [sdk, { NodeHttpHandler }] = await Promise.all([
      import('@aws-sdk/client-bedrock-runtime'),
      import('@smithy/node-http-handler'),
    ]);
    const { region, endpoint, connectTimeout, maxConcurrent } = this.config;
    const client = new sdk.BedrockRuntimeClient({
      ...(region === undefined ? {} : { region }),
      ...(endpoint === undefined ? {} : { endpoint }),
      // Repeating a call is decided by the list of attempts alone.
      maxAttempts: 1,
      // HTTP/1.1: proxies and private endpoints speak it, the SDK's default for Bedrock does not.
      requestHandler: new NodeHttpHandler({
        connectionTimeout: connectTimeout,
        httpAgent: { keepAlive: true, maxSockets: maxConcurrent },
        httpsAgent: { keepAlive: true, maxSockets: maxConcurrent },
      }),
    });
    return { sdk, client };
  }

  #failure(error: unknown, deadlines: Deadlines): GatewayError {
    if (error instanceof GatewayError) return error;
    const { name, message, $metadata } = error as {
      name?: string;
      message?: string;
      $metadata?: { httpStatusCode?: number };
    };
    if (name === 'AbortError' || deadlines.signal.aborted) return deadlines.failure();
    const status = $metadata?.httpStatusCode;
    if (status === undefined && CODES[name ?? ''] === undefined) {
      // No answer came: the address, the connection or the credentials. Details stay in the log.
      return new GatewayError('upstream_error', 'The upstream cannot be reached.', {
        cause: error,
        facts: { provider: this.config.id },
      });
    }
    const said = message === undefined || message === '' ? undefined : message;
    const known = CODES[name ?? ''] ?? codeOfStatus(status ?? 502);
    const code =
      known === 'invalid_request' && TOO_LONG.test(said ?? '') ? 'context_too_long' : known;
    return new GatewayError(code, said ?? `The upstream answered with status ${status ?? 502}.`, {
      cause: error,
      upstream: {
        provider: this.config.id,
        status: status ?? 502,
        dialect: 'bedrock',
        body: { name, message },
      },
    });
  }
}

interface StreamFacts {
  readonly events: BedrockEvents;
  readonly deadlines: Deadlines;
  readonly id: string;
  readonly model: string;
}

/** Hand-written: it must free the socket even when it is never pulled. */
class BedrockStream implements AsyncIterableIterator<ChatChunk> {
  /** Longest silence between two events. Milliseconds. */
  idleMs = 60_000;
  readonly #source: AsyncIterator<ConverseStreamOutput> | undefined;
  #started = false;

  constructor(
    answer: Streamed,
    private readonly facts: StreamFacts,
    private readonly failure: (error: unknown) => GatewayError,
  ) {
    this.#source = answer.stream?.[Symbol.asyncIterator]();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<ChatChunk>> {
    const { events, deadlines, id, model } = this.facts;
    try {
      for (;;) {
        const step = await deadlines.race(this.#pull());
        if (step.done === true) {
          deadlines.end();
          if (events.done) return { done: true, value: undefined };
          throw new GatewayError('upstream_error', "The upstream's stream ended early.");
        }
        deadlines.within(this.idleMs);
        const read = events.read(step.value);
        if (read.length === 0) continue;
        const first = !this.#started;
        this.#started = true;
        const start = first ? ([{ type: 'start', id, model }] as const) : [];
        return { done: false, value: ChatChunk.of(...start, ...read) };
      }
    } catch (error) {
      const failure = this.failure(error);
      this.#free();
      throw failure;
    }
  }

  async return(): Promise<IteratorResult<ChatChunk>> {
    this.#free();
    return { done: true, value: undefined };
  }

  #pull(): Promise<IteratorResult<ConverseStreamOutput>> {
    return this.#source?.next() ?? Promise.resolve({ done: true, value: undefined });
  }

  #free(): void {
    this.facts.deadlines.end(true);
    void this.#source?.return?.().catch(() => undefined);
  }
}
