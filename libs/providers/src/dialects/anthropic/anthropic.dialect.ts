import { GatewayError, type ChatCall, type ChatMessage, type Target } from '@sluice/kernel';
import type { CountRequest } from '../../provider-adapter.js';
import {
  ProviderDialect,
  type DialectRequest,
  type DialectStreamReader,
  type UpstreamResponseFacts,
} from '../../provider-dialect.js';
import { codeOfStatus, retryAdviceOf } from '../../upstream.failure.js';
import { passThrough } from '../pass-through.js';
import { messagesBody } from './anthropic.body.js';
import { readMessage } from './anthropic.message.js';
import { AnthropicReader } from './anthropic.reader.js';

const API_VERSION = '2023-06-01';
/** The status that each error type stands for, for errors that come inside a stream. */
const STATUS: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  authentication_error: 401,
  billing_error: 402,
  permission_error: 403,
  not_found_error: 404,
  request_too_large: 413,
  rate_limit_error: 429,
  api_error: 500,
  timeout_error: 504,
  overloaded_error: 529,
};
const TOO_LONG = /prompt is too long|exceed context limit|context window/i;

/** Anthropic Messages. */
export class AnthropicDialect extends ProviderDialect {
  override readonly name = 'anthropic';

  /** @param provider the provider's id, for error reports */
  constructor(private readonly provider: string) {
    super();
  }

  override auth(apiKey: string): Readonly<Record<string, string>> {
    return { 'x-api-key': apiKey };
  }

  override request(call: ChatCall, target: Target): DialectRequest {
    return {
      path: '/v1/messages',
      headers: versionHeaders(call.forwardHeaders),
      ...(call.dialect === this.name
        ? passThrough(call, { model: target.upstream, ...streamOf(call) })
        : { body: messagesBody(call, target) }),
    };
  }

  override counting(request: CountRequest, target: Target): DialectRequest {
    return {
      path: '/v1/messages/count_tokens',
      headers: versionHeaders(request.forwardHeaders),
      ...passThrough(request, { model: target.upstream }),
    };
  }

  override message(body: Readonly<Record<string, unknown>>): ChatMessage {
    if (body.type === 'error') throw this.#failure({ status: statusIn(body), headers: {} }, body);
    return readMessage(body);
  }

  override reader(): DialectStreamReader {
    return new AnthropicReader((body) =>
      this.#failure({ status: statusIn(body), headers: {} }, body),
    );
  }

  override failure(response: UpstreamResponseFacts, body: unknown): GatewayError {
    return this.#failure(response, body);
  }

  #failure({ status, headers }: UpstreamResponseFacts, body: unknown): GatewayError {
    const said = errorIn(body).message;
    const text = typeof said === 'string' && said !== '' ? said : undefined;
    const tooLong = status === 400 && text !== undefined && TOO_LONG.test(text);
    const code = tooLong
      ? 'context_too_long'
      : status === 529
        ? 'overloaded'
        : codeOfStatus(status);
    return new GatewayError(code, text ?? `The upstream answered with status ${status}.`, {
      ...retryAdviceOf({ status, headers }, Date.now()),
      upstream: { provider: this.provider, status, dialect: this.name, body },
    });
  }
}

function versionHeaders(forwarded: Readonly<Record<string, string>>): Record<string, string> {
  const { 'anthropic-version': version, 'anthropic-beta': beta } = forwarded;
  return {
    'anthropic-version': version ?? API_VERSION,
    ...(beta === undefined ? {} : { 'anthropic-beta': beta }),
  };
}

/** A call made anew on another footing may stream although its body does not say so, and the other way round. */
function streamOf(call: ChatCall): { readonly stream?: boolean } {
  return call.stream === (call.body.stream === true) ? {} : { stream: call.stream };
}

function errorIn(body: unknown): { readonly type?: unknown; readonly message?: unknown } {
  const error = (body as { error?: unknown } | null | undefined)?.error;
  return typeof error === 'object' && error !== null ? error : {};
}

function statusIn(body: unknown): number {
  const { type } = errorIn(body);
  return (typeof type === 'string' ? STATUS[type] : undefined) ?? 502;
}
