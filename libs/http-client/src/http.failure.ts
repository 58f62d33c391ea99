/** The step at which an exchange failed. */
export type HttpFailureKind =
  /** No connection: refused, unreachable, name not found, TLS failed, connect timeout. */
  | 'connect'
  /** The address is private and only public ones are allowed. */
  | 'address'
  /** No status line, no next byte, or no end in time. */
  | 'timeout'
  /** The caller's signal. */
  | 'aborted'
  /** The connection died, or what came is not HTTP. */
  | 'broken'
  /** The body or a line of it is longer than allowed. */
  | 'too_large'
  /** The body is not what its `content-encoding` or `content-type` says. */
  | 'encoding';

export class HttpFailure extends Error {
  override readonly name = 'HttpFailure';
  constructor(
    readonly kind: HttpFailureKind,
    message: string,
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause });
  }
}

const CONNECT_CODES = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
  'EADDRNOTAVAIL',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** @param answered whether the status line had come: a reset before that may still be a connect failure. */
export function asHttpFailure(error: unknown): HttpFailure {
  if (error instanceof HttpFailure) return error;
  const { code, message } = error as { code?: unknown; message?: string };
  const text = message ?? String(error);
  if (typeof code === 'string') {
    if (code === 'UND_ERR_HEADERS_TIMEOUT')
      return new HttpFailure('timeout', 'no answer in time', error);
    if (code === 'UND_ERR_BODY_TIMEOUT')
      return new HttpFailure('timeout', 'the answer stalled', error);
    if (CONNECT_CODES.has(code) || code.startsWith('ERR_TLS') || code.includes('CERT')) {
      return new HttpFailure('connect', `cannot connect: ${text}`, error);
    }
  }
  return new HttpFailure('broken', `the connection broke: ${text}`, error);
}
