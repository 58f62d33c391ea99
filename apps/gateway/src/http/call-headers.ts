import type { IncomingHttpHeaders } from 'node:http';
import { GatewayError, type ChatCallInit } from '@sluice/kernel';
import { parseCacheControls } from '@sluice/semantic-cache';

export interface CallHeaders {
  readonly agent: string | undefined;
  readonly session: string | undefined;
  readonly unsupported: 'refuse' | 'drop';
  /** `x-sluice-usage: true`: put a `sluice` object on the stream's last usage event. */
  readonly wantsUsage: boolean;
  readonly forward: Readonly<Record<string, string>>;
}

/** Headers that go upstream: an open list on Anthropic's side, no other header is the caller's to choose. */
const FORWARDED = ['anthropic-beta', 'anthropic-version'] as const;
const LABEL = /^[\x21-\x7e](?:[\x20-\x7e]{0,126}[\x21-\x7e])?$/;

/** @throws GatewayError invalid_request naming the header. */
export function readCallHeaders(headers: IncomingHttpHeaders): CallHeaders {
  let forward: Record<string, string> | undefined;
  for (const name of FORWARDED) {
    const value = headers[name];
    if (typeof value === 'string') (forward ??= {})[name] = value;
  }
  return {
    agent: label(headers, 'x-sluice-agent'),
    session: label(headers, 'x-sluice-session') ?? label(headers, 'x-claude-code-session-id'),
    unsupported: choice(headers, 'x-sluice-unsupported', ['refuse', 'drop']) ?? 'refuse',
    wantsUsage: choice(headers, 'x-sluice-usage', ['true', 'false']) === 'true',
    forward: forward ?? {},
  };
}

/**
 * What a request asks for of each call that it makes.
 * @throws GatewayError invalid_request naming the cache header that is malformed
 */
export function wishesOf(
  { agent, session, unsupported }: CallHeaders,
  headers: IncomingHttpHeaders,
): Pick<ChatCallInit, 'agent' | 'cache' | 'session' | 'unsupported'> {
  return {
    cache: parseCacheControls(headers),
    ...(agent === undefined ? {} : { agent }),
    ...(session === undefined ? {} : { session }),
    unsupported,
  };
}

function label(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  if (value === undefined || value === '') return undefined;
  if (typeof value !== 'string' || !LABEL.test(value)) {
    throw new GatewayError(
      'invalid_request',
      `Header ${name} must be 1 to 128 printable ASCII characters.`,
      { param: name },
    );
  }
  return value;
}

function choice<T extends string>(
  headers: IncomingHttpHeaders,
  name: string,
  allowed: readonly T[],
): T | undefined {
  const value = headers[name];
  if (value === undefined || value === '') return undefined;
  const found = allowed.find((option) => option === value);
  if (found === undefined) {
    throw new GatewayError('invalid_request', `Header ${name} must be ${allowed.join(' or ')}.`, {
      param: name,
    });
  }
  return found;
}
