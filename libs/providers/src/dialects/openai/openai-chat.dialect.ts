import { GatewayError, usage, type ChatCall, type ChatMessage, type Target } from '@sluice/kernel';
import type { EmbeddingAnswer, EmbeddingRequest } from '../../provider-adapter.js';
import {
  ProviderDialect,
  type DialectRequest,
  type DialectStreamReader,
  type UpstreamResponseFacts,
} from '../../provider-dialect.js';
import { codeOfStatus, retryAdviceOf } from '../../upstream.failure.js';
import { passThrough } from '../pass-through.js';
import { count } from '../token.count.js';
import { completionBody } from './openai-chat.body.js';
import { OpenAiChatReader } from './openai-chat.reader.js';
import { readMessage } from './openai-chat.message.js';

export interface OpenAiFlavor {
  readonly id: string;
  readonly baseUrl: string;
  readonly flavor: 'openai' | 'azure';
  readonly apiVersion?: string | undefined;
}

/** The API version that Azure's documentation gives as the last one every deployment serves. */
const AZURE_API_VERSION = '2024-10-21';

interface ErrorBody {
  readonly error?: {
    readonly message?: unknown;
    readonly type?: unknown;
    readonly param?: unknown;
    readonly code?: unknown;
  } | null;
  readonly message?: unknown;
  readonly detail?: unknown;
}

interface WireEmbedding {
  readonly index?: number;
  readonly embedding?: unknown;
}

/** OpenAI Chat Completions, as OpenAI, Azure and the many servers that copy it speak it. */
export class OpenAiChatDialect extends ProviderDialect {
  override readonly name = 'openai-chat';
  /** OpenAI's own models take only `max_completion_tokens`; most copies know only `max_tokens`. */
  readonly #ownModels: boolean;

  constructor(private readonly server: OpenAiFlavor) {
    super();
    this.#ownModels =
      server.flavor === 'azure' || new URL(server.baseUrl).hostname.endsWith('openai.com');
  }

  override auth(apiKey: string): Readonly<Record<string, string>> {
    return this.server.flavor === 'azure'
      ? { 'api-key': apiKey }
      : { authorization: `Bearer ${apiKey}` };
  }

  override request(call: ChatCall, target: Target): DialectRequest {
    const path = this.#path(target, 'chat/completions');
    if (call.dialect === this.name) {
      const model = target.upstream;
      const wanted = call.stream ? { model, ...streamMembers(call.body) } : { model };
      return { path, ...passThrough(call, wanted) };
    }
    const body = completionBody(call, target, this.#ownModels);
    if (call.stream) Object.assign(body, streamMembers(body));
    return { path, body };
  }

  override message(body: Readonly<Record<string, unknown>>): ChatMessage {
    const failed = (body as ErrorBody).error;
    if (failed !== undefined && body.choices === undefined) {
      const code = failed?.code;
      const status = typeof code === 'number' && code >= 400 ? code : 502;
      throw this.#failure({ status, headers: {} }, body);
    }
    return readMessage(body);
  }

  override reader(call: ChatCall): DialectStreamReader {
    return new OpenAiChatReader(call, (body) => this.#failure({ status: 502, headers: {} }, body));
  }

  override failure(response: UpstreamResponseFacts, body: unknown): GatewayError {
    return this.#failure(response, body);
  }

  override embedding(request: EmbeddingRequest, target: Target): DialectRequest {
    return {
      path: this.#path(target, 'embeddings'),
      body: {
        ...request.extra,
        model: target.upstream,
        input: request.inputs,
        encoding_format: 'float',
        ...(request.dimensions === undefined ? {} : { dimensions: request.dimensions }),
      },
    };
  }

  override embedded(
    body: Readonly<Record<string, unknown>>,
    request: EmbeddingRequest,
  ): EmbeddingAnswer {
    const data = Array.isArray(body.data) ? (body.data as readonly WireEmbedding[]) : [];
    const vectors: number[][] = [];
    for (const [at, item] of data.entries()) {
      if (Array.isArray(item.embedding)) vectors[item.index ?? at] = item.embedding as number[];
    }
    if (vectors.length !== request.inputs.length || vectors.includes(undefined as never)) {
      throw new GatewayError(
        'upstream_error',
        'The upstream did not return one vector for each input.',
      );
    }
    const told = asObject(body.usage);
    return {
      vectors,
      usage: usage({ input: count(told.prompt_tokens ?? told.total_tokens) }),
    };
  }

  #path(target: Target, route: string): string {
    if (this.server.flavor === 'openai') return `/${route}`;
    const version = encodeURIComponent(this.server.apiVersion ?? AZURE_API_VERSION);
    return `/openai/deployments/${encodeURIComponent(target.upstream)}/${route}?api-version=${version}`;
  }

  #failure(response: UpstreamResponseFacts, body: unknown): GatewayError {
    const { status } = response;
    const { error, message, detail } = (
      typeof body === 'object' && body !== null ? body : {}
    ) as ErrorBody;
    const invalid = firstInvalid(detail);
    const said = [
      error?.message,
      typeof error === 'string' ? error : undefined,
      message,
      detail,
      invalid?.message,
    ].find((text) => typeof text === 'string' && text !== '') as string | undefined;
    const param = error?.param ?? invalid?.param;
    const tooLong =
      error?.code === 'context_length_exceeded' ||
      (status === 400 && said !== undefined && /maximum context length|context window/i.test(said));
    return new GatewayError(
      tooLong ? 'context_too_long' : codeOfStatus(status),
      said ?? `The upstream answered with status ${status}.`,
      {
        ...retryAdviceOf(response, Date.now()),
        ...(typeof param === 'string' ? { param } : {}),
        upstream: { provider: this.server.id, status, dialect: this.name, body },
      },
    );
  }
}

/** Usage is asked for always: without it every stream would have to be estimated. */
function streamMembers(body: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const options = asObject(body.stream_options);
  return {
    stream: true,
    stream_options:
      options.include_usage === true ? body.stream_options : { ...options, include_usage: true },
  };
}

/** The first of FastAPI's findings: `{loc: ['body', 'messages', 0, 'role'], msg}`. */
function firstInvalid(detail: unknown): { message: string; param: string } | undefined {
  const [first] = Array.isArray(detail) ? (detail as readonly unknown[]) : [];
  const { loc, msg } = asObject(first);
  if (!Array.isArray(loc) || typeof msg !== 'string') return undefined;
  const [place, ...path] = loc as readonly unknown[];
  const steps = (place === 'body' ? path : [place, ...path]).map((step) =>
    typeof step === 'number' ? `[${step}]` : `.${String(step)}`,
  );
  const param = steps.join('').replace(/^\./, '');
  return { message: param === '' ? msg : `${param}: ${msg}`, param };
}

function asObject(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
