import { GatewayError, type ErrorCode, type GatewayErrorOptions } from '@sluice/kernel';
import { HttpFailure } from '@sluice/http-client';
import type { UpstreamResponseFacts } from './provider-dialect.js';

const CODES: Readonly<Record<HttpFailure['kind'], ErrorCode>> = {
  connect: 'upstream_error',
  address: 'upstream_error',
  timeout: 'upstream_timeout',
  aborted: 'client_closed',
  broken: 'upstream_error',
  too_large: 'upstream_error',
  encoding: 'upstream_error',
};

const MESSAGES: Readonly<Record<HttpFailure['kind'], string>> = {
  connect: 'The upstream cannot be reached.',
  address: 'The upstream is at an address that is not allowed.',
  timeout: 'The upstream did not answer in time.',
  aborted: 'The request was aborted.',
  broken: 'The connection to the upstream broke.',
  too_large: 'The upstream sent more than is allowed.',
  encoding: 'The upstream sent an answer that cannot be decoded.',
};

/** What a failed exchange means to the caller. Addresses and system messages stay in `cause`, for the log. */
export function upstreamFailure(error: unknown, provider: string): GatewayError {
  if (error instanceof GatewayError) return error;
  if (!(error instanceof HttpFailure)) {
    return new GatewayError('internal', 'The request to the upstream could not be made.', {
      cause: error,
    });
  }
  return new GatewayError(CODES[error.kind], MESSAGES[error.kind], {
    cause: error,
    facts: { provider, kind: error.kind },
  });
}

/** Statuses whose meaning is the same at every provider; the rest are `upstream_error`. */
const BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: 'invalid_request',
  401: 'unauthorized',
  402: 'upstream_error',
  403: 'forbidden',
  404: 'model_not_found',
  408: 'upstream_timeout',
  409: 'conflict',
  413: 'body_too_large',
  422: 'unprocessable',
  429: 'rate_limited',
  504: 'upstream_timeout',
};

/** The error code of an upstream's HTTP status, where its body says nothing more precise. */
export function codeOfStatus(status: number): ErrorCode {
  return BY_STATUS[status] ?? 'upstream_error';
}

/**
 * What an upstream's refusal says about trying again: `x-should-retry`, and `retry-after`. A 4xx that has no status of
 * its own here becomes a 502, which SDKs repeat: they are told not to, as the upstream's status would have.
 * @param now epoch milliseconds, for dates
 */
export function retryAdviceOf(
  { status, headers }: UpstreamResponseFacts,
  now: number,
): Pick<GatewayErrorOptions, 'retryAfterMs' | 'shouldRetry'> {
  const said = headers['x-should-retry'];
  const hidden = status < 500 && codeOfStatus(status) === 'upstream_error';
  const shouldRetry = said === 'true' ? true : said === 'false' || hidden ? false : undefined;
  return {
    ...retryAfterOf(headers, now),
    ...(shouldRetry === undefined ? {} : { shouldRetry }),
  };
}

/** `retry-after` (seconds or an HTTP date) or `retry-after-ms` as milliseconds. */
function retryAfterOf(
  headers: Readonly<Record<string, string | undefined>>,
  now: number,
): Pick<GatewayErrorOptions, 'retryAfterMs'> {
  const ms = Number(headers['retry-after-ms'] ?? NaN);
  if (Number.isFinite(ms) && ms >= 0) return { retryAfterMs: ms };
  const value = headers['retry-after'];
  if (value === undefined) return {};
  const seconds = Number(value);
  if (Number.isFinite(seconds)) return seconds >= 0 ? { retryAfterMs: seconds * 1000 } : {};
  const date = Date.parse(value);
  return Number.isNaN(date) ? {} : { retryAfterMs: Math.max(0, date - now) };
}
