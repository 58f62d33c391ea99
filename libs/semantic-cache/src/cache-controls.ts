import {
  DEFAULT_CACHE_CONTROLS,
  GatewayError,
  type CacheControls,
  type CacheMode,
} from '@sluice/kernel';

type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

const MODES: readonly string[] = ['on', 'exact', 'off', 'refresh'] satisfies CacheMode[];
const NAMESPACE = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,63}$/;
/** A year: what lies beyond is a mistake, not a wish. */
const MAX_SECONDS = 31_536_000;

/**
 * What the caller asks of the cache, from `Cache-Control` and `x-sluice-cache*` (names in lower case).
 * Unknown `Cache-Control` directives are ignored, as HTTP wants it; known ones must be well-formed.
 * @throws GatewayError invalid_request, with the header's name as `param`
 */
export function parseCacheControls(headers: Headers): CacheControls {
  const standard = one(headers, 'cache-control');
  const mode = one(headers, 'x-sluice-cache');
  const ttl = one(headers, 'x-sluice-cache-ttl');
  const threshold = one(headers, 'x-sluice-cache-threshold');
  const namespace = one(headers, 'x-sluice-cache-namespace');
  if (standard === undefined && mode === undefined && ttl === undefined) {
    if (threshold === undefined && namespace === undefined) return DEFAULT_CACHE_CONTROLS;
  }
  const wished = directives(standard);
  return {
    mode: parseMode(mode),
    ...(mode === undefined ? {} : { asked: true }),
    noStore: wished.noStore,
    noCache: wished.noCache,
    ...(wished.maxAge === undefined ? {} : { maxAgeSeconds: wished.maxAge }),
    ...(ttl === undefined ? {} : { ttlSeconds: seconds('x-sluice-cache-ttl', ttl, MAX_SECONDS) }),
    ...(threshold === undefined ? {} : { threshold: parseThreshold(threshold) }),
    ...(namespace === undefined ? {} : { namespace: parseNamespace(namespace) }),
  };
}

function one(headers: Headers, name: string): string | undefined {
  const value = headers[name];
  if (value === undefined || typeof value === 'string') return value?.trim();
  return value.join(',').trim();
}

function directives(header: string | undefined): {
  noStore: boolean;
  noCache: boolean;
  maxAge: number | undefined;
} {
  const found = { noStore: false, noCache: false, maxAge: undefined as number | undefined };
  for (const part of (header ?? '').split(',')) {
    const [name = '', ...rest] = part.split('=').map((s) => s.trim());
    const value = rest.join('=');
    switch (name.toLowerCase()) {
      case 'no-store':
        found.noStore = true;
        break;
      case 'no-cache':
        found.noCache = true;
        break;
      case 'max-age':
        // HTTP knows no largest age: beyond a year it bounds nothing, because nothing is kept longer.
        found.maxAge = Math.min(
          seconds('cache-control', value.replace(/^"(.*)"$/, '$1'), Infinity),
          MAX_SECONDS,
        );
    }
  }
  return found;
}

function parseMode(text: string | undefined): CacheMode {
  if (text === undefined) return 'on';
  const mode = text.toLowerCase();
  if (!MODES.includes(mode)) refuse('x-sluice-cache', text, MODES.join(', '));
  // The test above is the proof.
  return mode as CacheMode;
}

function seconds(header: string, text: string, most: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  const limit = most === Infinity ? '' : ` up to ${most}`;
  if (!(value <= most)) refuse(header, text, `whole seconds${limit}`);
  return value;
}

function parseThreshold(text: string): number {
  const value = /^(?:\d+(?:\.\d*)?|\.\d+)$/.test(text) ? Number(text) : NaN;
  if (!(value <= 1)) refuse('x-sluice-cache-threshold', text, 'a number from 0 to 1');
  return value;
}

function parseNamespace(text: string): string {
  if (!NAMESPACE.test(text)) {
    refuse('x-sluice-cache-namespace', text, 'up to 64 letters, digits and . _ / -');
  }
  return text;
}

function refuse(header: string, found: string, allowed: string): never {
  throw new GatewayError(
    'invalid_request',
    `Header ${header} has the value ${JSON.stringify(found.slice(0, 100))}; expected ${allowed}.`,
    { param: header },
  );
}
