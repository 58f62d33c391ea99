import { GatewayError } from '@sluice/kernel';

/** What a request shows to say who it is. */
export type PresentedCredential =
  | { readonly kind: 'none' }
  | { readonly kind: 'key'; readonly secret: string }
  | { readonly kind: 'jwt'; readonly secret: string };

export interface CredentialSource {
  readonly headers: Readonly<{
    authorization?: string | undefined;
    'x-api-key'?: string | string[] | undefined;
  }>;
  /** Path and query as they came. */
  readonly url: string;
}

/** No key is longer, and signed tokens with many claims stay below. */
const MAX_LENGTH = 8_192;
const BEARER = /^bearer[ \t]+([\x21-\x7e]+)[ \t]*$/i;
const VISIBLE = /^[\x21-\x7e]+$/;
const JWT = /^[\w-]+\.[\w-]+\.[\w-]*$/;
const SECRET_PARAMETERS = new Set([
  'api_key',
  'api-key',
  'apikey',
  'x-api-key',
  'key',
  'access_token',
  'authorization',
]);

const NONE: PresentedCredential = Object.freeze({ kind: 'none' });

/**
 * Reads `Authorization: Bearer` or `x-api-key`.
 * @throws GatewayError unauthorized, header_too_large; the message never repeats the secret
 */
export function presentedCredential(source: CredentialSource): PresentedCredential {
  refuseQuery(source.url);
  const bearer = fromAuthorization(source.headers.authorization);
  const apiKey = fromApiKey(source.headers['x-api-key']);
  if (bearer !== undefined && apiKey !== undefined && bearer !== apiKey) {
    throw unauthorized(
      'Two different keys were sent, in Authorization and in x-api-key. Send one of them.',
    );
  }
  const secret = bearer ?? apiKey;
  if (secret === undefined) return NONE;
  return { kind: JWT.test(secret) ? 'jwt' : 'key', secret };
}

function fromAuthorization(header: string | string[] | undefined): string | undefined {
  const value = single(header, 'Authorization');
  if (value === undefined) return undefined;
  const secret = BEARER.exec(value)?.[1];
  if (secret !== undefined) return secret;
  throw unauthorized(
    'The Authorization header is not understood. Expected: Authorization: Bearer YOUR_KEY.',
  );
}

function fromApiKey(header: string | string[] | undefined): string | undefined {
  const value = single(header, 'x-api-key');
  if (value === undefined || VISIBLE.test(value)) return value;
  throw unauthorized('The x-api-key header is empty or holds more than one key.');
}

function single(header: string | string[] | undefined, name: string): string | undefined {
  const value = Array.isArray(header) ? header.join(', ') : header;
  if (value !== undefined && value.length > MAX_LENGTH) {
    throw new GatewayError(
      'header_too_large',
      `The ${name} header is longer than ${MAX_LENGTH} bytes: no key or token is.`,
      { shouldRetry: false },
    );
  }
  return value;
}

/** Addresses are written to logs, histories and referrers: a key there must be taken for public. */
function refuseQuery(url: string): void {
  const at = url.indexOf('?');
  if (at < 0) return;
  for (const [name, value] of new URLSearchParams(url.slice(at + 1))) {
    const known = SECRET_PARAMETERS.has(name.toLowerCase()) && value !== '';
    if (!known && !value.startsWith('sk-')) continue;
    throw unauthorized(
      'A key in the address is refused: it ends up in logs. Send it in the header Authorization: Bearer YOUR_KEY, and replace the key that was sent.',
    );
  }
}

export function unauthorized(message: string): GatewayError {
  return new GatewayError('unauthorized', message, { shouldRetry: false });
}
