import type { ErrorCode, GatewayError } from '@sluice/kernel';
import { isObject } from './field.check.js';

/** OpenAI's `error.type` for each of our codes; `error.code` is our own code. */
const TYPES: Readonly<Record<ErrorCode, string>> = {
  invalid_request: 'invalid_request_error',
  context_too_long: 'invalid_request_error',
  unprocessable: 'invalid_request_error',
  not_found: 'invalid_request_error',
  model_not_found: 'invalid_request_error',
  method_not_allowed: 'invalid_request_error',
  conflict: 'invalid_request_error',
  body_too_large: 'invalid_request_error',
  header_too_large: 'invalid_request_error',
  client_closed: 'invalid_request_error',
  unauthorized: 'authentication_error',
  forbidden: 'permission_error',
  budget_exhausted: 'insufficient_quota',
  rate_limited: 'rate_limit_error',
  token_limit: 'rate_limit_error',
  internal: 'server_error',
  upstream_error: 'server_error',
  upstream_timeout: 'server_error',
  emergency_shutdown: 'server_error',
  overloaded: 'server_error',
};

/** `{error: {message, type, param, code}}`; an OpenAI upstream's own wording is kept. */
export function openAiError(error: GatewayError): Record<string, unknown> {
  const original = upstreamError(error);
  if (original !== undefined) return { error: original };
  return {
    error: {
      message: error.message,
      type: TYPES[error.code],
      param: error.param ?? null,
      code: error.code,
    },
  };
}

function upstreamError(error: GatewayError): Record<string, unknown> | undefined {
  const { upstream } = error;
  if (upstream?.dialect.startsWith('openai-') !== true || !isObject(upstream.body))
    return undefined;
  const body = upstream.body.error;
  if (!isObject(body) || typeof body.message !== 'string') return undefined;
  return {
    ...body,
    type: typeof body.type === 'string' ? body.type : TYPES[error.code],
    param: body.param ?? null,
    code: body.code ?? null,
  };
}
