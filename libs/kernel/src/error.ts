import type { MicroUsd } from './money.js';
import type { Usage } from './usage.js';

/**
 * Every way a call can be refused or fail. HTTP status and wire shape are decided by the doors alone.
 * The catalogue (`docs/errors.md`) is generated from {@link ERROR_STATUS}.
 */
export const ERROR_STATUS = {
  invalid_request: 400,
  context_too_long: 400,
  unauthorized: 401,
  budget_exhausted: 402,
  forbidden: 403,
  not_found: 404,
  model_not_found: 404,
  method_not_allowed: 405,
  conflict: 409,
  body_too_large: 413,
  unprocessable: 422,
  header_too_large: 431,
  rate_limited: 429,
  token_limit: 429,
  client_closed: 499,
  internal: 500,
  upstream_error: 502,
  emergency_shutdown: 503,
  overloaded: 503,
  upstream_timeout: 504,
} as const;

export type ErrorCode = keyof typeof ERROR_STATUS;

export interface GatewayErrorOptions {
  /** The request field or parameter at fault, in the caller's own notation (`messages[0].role`). */
  readonly param?: string;
  /** Milliseconds after which the same call may succeed. Absent where waiting cannot help. */
  readonly retryAfterMs?: number;
  /** False tells SDKs not to repeat the call (`x-should-retry`). */
  readonly shouldRetry?: boolean;
  readonly cause?: unknown;
  /** What an upstream said, kept so that a same-dialect caller reads the original wording. */
  readonly upstream?: UpstreamFailure;
  /** What was spent on upstreams although the call got no answer (a caller who left, failed attempts that cost). */
  readonly bill?: SpentBill;
  /** Machine-readable facts for the answer's headers and the log: never secrets. */
  readonly facts?: Readonly<Record<string, string | number | boolean>>;
}

export interface SpentBill {
  readonly usage: Usage;
  readonly costMicroUsd: MicroUsd;
}

export interface UpstreamFailure {
  readonly provider: string;
  readonly status: number;
  readonly dialect: string;
  /** The upstream's parsed error body when it was JSON. */
  readonly body?: unknown;
}

/** The only error the rooms throw on purpose. Anything else reaches the caller as `internal`. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError';
  readonly param: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly shouldRetry: boolean | undefined;
  readonly upstream: UpstreamFailure | undefined;
  readonly bill: SpentBill | undefined;
  readonly facts: Readonly<Record<string, string | number | boolean>>;

  constructor(
    readonly code: ErrorCode,
    message: string,
    options: GatewayErrorOptions = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.param = options.param;
    this.retryAfterMs = options.retryAfterMs;
    this.shouldRetry = options.shouldRetry;
    this.upstream = options.upstream;
    this.bill = options.bill;
    this.facts = options.facts ?? {};
  }

  get status(): number {
    return ERROR_STATUS[this.code];
  }
}

/** The same error, with what was spent although it failed, or with when to come back. */
export function amended(
  error: GatewayError,
  changes: { readonly bill?: SpentBill | undefined; readonly retryAfterMs?: number },
): GatewayError {
  if (changes.bill === undefined && changes.retryAfterMs === undefined) return error;
  const { param, shouldRetry, upstream, facts, cause } = error;
  const bill = changes.bill ?? error.bill;
  const retryAfterMs = changes.retryAfterMs ?? error.retryAfterMs;
  return new GatewayError(error.code, error.message, {
    facts,
    ...(bill === undefined ? {} : { bill }),
    ...(param === undefined ? {} : { param }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(shouldRetry === undefined ? {} : { shouldRetry }),
    ...(upstream === undefined ? {} : { upstream }),
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Turns anything thrown into a {@link GatewayError} without leaking internals to the caller. */
export function asGatewayError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  return new GatewayError('internal', 'The gateway failed to handle this request.', {
    cause: error,
  });
}
