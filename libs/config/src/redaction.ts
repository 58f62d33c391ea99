import type { ConfigSnapshot } from './config.store.js';
import type { Environment } from './environment.js';

const MASK = '***';
/** Names of settings and variables whose value nobody may read back. */
const SECRET_NAME =
  /key|secret|password|passwd|pepper|credential|authorization|(^|_)token$|Token$/i;
const URL_CREDENTIALS = /^([a-z][a-z0-9+.-]*:\/\/)([^@/\s]*)@/i;

export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name) && name !== 'keywords';
}

/** Hides the user and password of a URL; other text is returned as it is. */
export function redactUrl(text: string): string {
  return text.replace(URL_CREDENTIALS, `$1${MASK}@`);
}

/** A copy for people to read: secrets are `***`, everything else is as it serves. */
export function redactedConfig(snapshot: ConfigSnapshot): unknown {
  return {
    version: snapshot.version,
    loadedAt: snapshot.loadedAt.toISOString(),
    sluice: redacted(snapshot.sluice),
    policies: redacted(snapshot.policies),
  };
}

/** `value` as people may read it: what secret names hold and the credentials of URLs are `***`, however deep. */
export function redacted(value: unknown, name = ''): unknown {
  if (Array.isArray(value)) return value.map((item) => redacted(item, name));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => [
        key,
        // Extra headers and a webhook's address are where people put tokens under any name.
        name === 'headers' ? MASK : redacted(inner, key),
      ]),
    );
  }
  if (typeof value !== 'string' || value === '') return value;
  if (isSecretName(name)) return MASK;
  return name === 'webhook'
    ? value.replace(/^(https?:\/\/[^/]*).*$/, `$1/${MASK}`)
    : redactUrl(value);
}

/** Every secret text in force, for the log's sink: exact values, longest first. */
export function secretValues(env: Environment, snapshot: ConfigSnapshot): string[] {
  return longestFirst([
    ...secretsOf(env),
    ...secretsOf(snapshot.sluice),
    ...secretsOf(snapshot.policies),
  ]);
}

/** Every secret in the environment, also those that only `${NAME}` uses. */
export function environmentSecrets(env: NodeJS.ProcessEnv): string[] {
  return longestFirst(secretsOf(env));
}

function longestFirst(values: readonly string[]): string[] {
  // Short values are words of everyday text; hiding them would garble every line.
  return [...new Set(values.filter((text) => text.length >= 6))].sort(
    (a, b) => b.length - a.length,
  );
}

function secretsOf(value: unknown, name = ''): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => secretsOf(item, name));
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value).flatMap(([key, inner]) =>
      secretsOf(inner, name === 'headers' ? 'authorization' : key),
    );
  }
  if (typeof value !== 'string') return [];
  if (isSecretName(name)) return [value];
  const password = /:([^:@/]+)$/.exec(URL_CREDENTIALS.exec(value)?.[2] ?? '')?.[1];
  return password === undefined ? [] : [password];
}

/** Replaces each secret in a text that people will read. */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  return secrets.reduce((rest, secret) => rest.replaceAll(secret, MASK), text);
}
