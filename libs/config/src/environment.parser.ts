import { isIP } from 'node:net';
import { environmentSchema, type Environment, type RateLimitOverride } from './environment.js';
import { allowed, found, suggestion, type Problem } from './problem.js';
import { redactUrl } from './redaction.js';

const RATE_LIMIT = /^RATE_LIMIT_(.+)_(PER_HOUR|BURST_PER_MINUTE)$/;
const FLAG_WORDS: Readonly<Record<string, boolean>> = {
  true: true,
  1: true,
  on: true,
  yes: true,
  false: false,
  0: false,
  off: false,
  no: false,
};
const URL_PROTOCOLS: Readonly<Record<string, readonly string[]>> = {
  DATABASE_URL: ['postgres:', 'postgresql:'],
  DATABASE_REPLICA_URL: ['postgres:', 'postgresql:'],
  REDIS_URL: ['redis:', 'rediss:', 'unix:'],
  QDRANT_URL: ['http:', 'https:'],
  JWT_JWKS_URL: ['http:', 'https:'],
  OTEL_EXPORTER_OTLP_ENDPOINT: ['http:', 'https:'],
};
const ADDRESS_GROUPS = ['loopback', 'linklocal', 'uniquelocal'];

export interface ParsedEnvironment {
  /** Undefined when a variable was wrong. */
  readonly environment: Environment | undefined;
  readonly problems: readonly Problem[];
}

/** Reads every variable at once. An empty variable counts as absent, as Compose files pass them. */
export function parseEnvironment(env: NodeJS.ProcessEnv): ParsedEnvironment {
  const present = Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => (entry[1] ?? '') !== ''),
  );
  const problems: Problem[] = [];
  const report = (path: string, message: string) =>
    problems.push({ where: 'environment', path, message });

  const base = environmentSchema.safeParse(present);
  for (const issue of base.error?.issues ?? []) {
    const name = String(issue.path[0]);
    report(name, `${found(present[name])}; ${allowed(issue)}`);
  }
  checkUrls(present, report);
  checkAddresses(present, report);
  checkEncryptionKey(present, report);
  const rateLimits = readRateLimits(present, report);
  const flags = readFlags(present, report);
  const environment =
    base.success && problems.length === 0 ? { ...base.data, rateLimits, flags } : undefined;
  return { environment, problems };
}

type Variables = Readonly<Record<string, string>>;
type Report = (path: string, message: string) => void;

function checkUrls(env: Variables, report: Report): void {
  for (const [name, protocols] of Object.entries(URL_PROTOCOLS)) {
    const value = env[name];
    if (value === undefined) continue;
    // Not parsed as a URL: libpq allows hosts and users that the WHATWG parser refuses.
    if (!protocols.some((protocol) => value.startsWith(`${protocol}//`))) {
      const starts = protocols.map((protocol) => `${protocol}//`).join(' or ');
      report(name, `${found(redactUrl(value))}; expected a URL that starts with ${starts}`);
    }
  }
}

function checkAddresses(env: Variables, report: Report): void {
  for (const [name, groups] of [
    ['TRUST_PROXY', ADDRESS_GROUPS],
    ['RATE_LIMIT_ALLOWLIST', []],
  ] as const) {
    for (const part of (env[name] ?? '').split(',').map((word) => word.trim())) {
      if (part === '' || (groups as readonly string[]).includes(part) || isAddressRange(part)) {
        continue;
      }
      const words = groups.length === 0 ? '' : ` or the words ${groups.join(', ')}`;
      const why =
        part === 'true' ? ': believing every sender lets anyone choose their own address' : '';
      report(
        name,
        `${found(part)}; allowed: IP addresses and CIDR ranges${words}, separated by commas${why}`,
      );
    }
  }
}

/** A word in place of random bytes would encrypt too, and protect nothing. */
function checkEncryptionKey({ CACHE_ENCRYPTION_KEY: key }: Variables, report: Report): void {
  if (key === undefined || /^[\da-f]{64}$/i.test(key) || /^[\w+/-]{43}=?$/.test(key)) return;
  report(
    'CACHE_ENCRYPTION_KEY',
    'found ***; expected 32 bytes in base64 or hex, as `openssl rand -base64 32` makes them',
  );
}

function isAddressRange(text: string): boolean {
  const [address = '', bits, ...more] = text.split('/');
  const family = isIP(address);
  if (family === 0 || more.length > 0) return false;
  return (
    bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128))
  );
}

function readRateLimits(env: Variables, report: Report): Record<string, RateLimitOverride> {
  const limits: Record<string, { perHour?: number; burstPerMinute?: number }> = {};
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith('RATE_LIMIT_') || name === 'RATE_LIMIT_ALLOWLIST') continue;
    const [, tier, window] = RATE_LIMIT.exec(name) ?? [];
    if (tier === undefined) {
      report(
        name,
        `unknown variable${suggestion(name, ['RATE_LIMIT_ALLOWLIST'])}; allowed: ` +
          'RATE_LIMIT_<TIER>_PER_HOUR, RATE_LIMIT_<TIER>_BURST_PER_MINUTE, RATE_LIMIT_ALLOWLIST',
      );
      continue;
    }
    const number = Number(value);
    if (!Number.isSafeInteger(number) || number <= 0) {
      report(name, `${found(value)}; expected a whole number above 0`);
      continue;
    }
    const limit = (limits[tier.toLowerCase()] ??= {});
    limit[window === 'PER_HOUR' ? 'perHour' : 'burstPerMinute'] = number;
  }
  for (const [tier, { perHour, burstPerMinute }] of Object.entries(limits)) {
    if (perHour !== undefined && burstPerMinute !== undefined && burstPerMinute > perHour) {
      report(
        `RATE_LIMIT_${tier.toUpperCase()}_BURST_PER_MINUTE`,
        `found ${String(burstPerMinute)}; allowed: at most the ${String(perHour)} of ` +
          `RATE_LIMIT_${tier.toUpperCase()}_PER_HOUR`,
      );
    }
  }
  return limits;
}

function readFlags(env: Variables, report: Report): Record<string, boolean> {
  const flags: Record<string, boolean> = {};
  for (const [name, value] of Object.entries(env)) {
    if (!/^ENABLE_[A-Z0-9_]+$/.test(name)) continue;
    const flag = FLAG_WORDS[value.toLowerCase()];
    if (flag === undefined) {
      report(name, `${found(value)}; allowed: ${Object.keys(FLAG_WORDS).sort().join(', ')}`);
    } else {
      flags[name.slice('ENABLE_'.length).toLowerCase()] = flag;
    }
  }
  return flags;
}
