import type { JWTPayload, JWTVerifyGetKey, JWTVerifyOptions } from 'jose';
import { LRUCache } from 'lru-cache';
import { bounded, GatewayError, type Caller, type Clock } from '@sluice/kernel';
import { unauthorized } from '../presented-credential.js';
import { callerOfClaims } from './jwt.claims.js';

export interface JwtSettings {
  /** Accepts HS256. */
  readonly secret?: string | undefined;
  /** Accepts RS256 and ES256 with the keys found there. */
  readonly jwksUrl?: string | undefined;
  readonly issuer?: string | undefined;
  readonly audience?: string | undefined;
}

const MAX_ENTRIES = 10_000;
const REFUSED_MS = 5_000;
/** A key that disappears from the JWKS stops working after this and {@link JWKS_MAX_AGE_MS}. */
const ACCEPTED_MS = 5 * 60_000;
const JWKS_MAX_AGE_MS = 10 * 60_000;
const JWKS_TIMEOUT_MS = 3_000;
const CLOCK_TOLERANCE_S = 5;
const SHARED = ['HS256'];
const PUBLIC = ['RS256', 'ES256'];

interface Verdict {
  /** Epoch ms until which it holds. */
  readonly until: number;
  readonly caller?: Caller;
  readonly refusal?: string;
}

interface Way {
  readonly algorithms: string[];
  readonly key: Uint8Array | JWTVerifyGetKey;
}

/**
 * Verifies JSON Web Tokens (RFC 7519). The algorithm decides the key and never the other way round: a public key
 * can not be used as a shared secret, and `none` is no algorithm. Verdicts are kept by a hash of the whole token.
 */
export class JwtVerifier {
  readonly #verdicts = {
    good: new LRUCache<string, Verdict>(bounded(MAX_ENTRIES)),
    bad: new LRUCache<string, Verdict>(bounded(MAX_ENTRIES)),
  };
  readonly #running = new Map<string, Promise<Verdict>>();
  #jose:
    Promise<{ readonly jose: typeof import('jose'); readonly ways: readonly Way[] }> | undefined;

  constructor(
    private readonly settings: JwtSettings,
    private readonly clock: Clock,
  ) {}

  /** False when neither a secret nor a JWKS is configured: then no token is accepted. */
  get enabled(): boolean {
    return this.settings.secret !== undefined || this.settings.jwksUrl !== undefined;
  }

  /**
   * @param name hash of the whole token
   * @throws GatewayError unauthorized, forbidden; overloaded when the JWKS cannot be fetched
   */
  verify(token: string, name: string): Caller | Promise<Caller> {
    if (!this.enabled)
      throw unauthorized('JSON Web Tokens are not accepted here. Send an API key.');
    const known = this.#verdicts.good.get(name) ?? this.#verdicts.bad.get(name);
    if (known !== undefined && known.until > this.clock.now()) return decide(known);
    return this.#verifyOnce(token, name).then(decide);
  }

  #verifyOnce(token: string, name: string): Promise<Verdict> {
    let running = this.#running.get(name);
    if (running === undefined) {
      running = this.#check(token)
        .then((verdict) => {
          const { good, bad } = this.#verdicts;
          (verdict.caller === undefined ? good : bad).delete(name);
          (verdict.caller === undefined ? bad : good).set(name, verdict);
          return verdict;
        })
        .finally(() => this.#running.delete(name));
      this.#running.set(name, running);
    }
    return running;
  }

  async #check(token: string): Promise<Verdict> {
    const { jose, ways } = await this.#load();
    const now = this.clock.now();
    const refuse = (refusal: string): Verdict => ({ until: now + REFUSED_MS, refusal });
    let alg: string | undefined;
    try {
      alg = jose.decodeProtectedHeader(token).alg;
    } catch {
      return refuse('The token is not a JSON Web Token.');
    }
    const way = ways.find(({ algorithms }) => algorithms.includes(alg ?? ''));
    if (way === undefined) {
      const allowed = ways.flatMap(({ algorithms }) => algorithms).join(', ');
      return refuse(`The token's algorithm is not accepted; allowed: ${allowed}.`);
    }
    const payload = await this.#payload(jose, token, way);
    if (typeof payload === 'string') return refuse(payload);
    const caller = callerOfClaims(payload);
    const expiry = payload.exp === undefined ? Infinity : payload.exp * 1000;
    return { until: Math.min(expiry, now + ACCEPTED_MS), caller };
  }

  /** The claims, or why the token is refused. */
  async #payload(
    jose: typeof import('jose'),
    token: string,
    way: Way,
  ): Promise<JWTPayload | string> {
    const { issuer, audience } = this.settings;
    const options: JWTVerifyOptions = {
      algorithms: way.algorithms,
      clockTolerance: CLOCK_TOLERANCE_S,
      currentDate: new Date(this.clock.now()),
      ...(issuer === undefined ? {} : { issuer }),
      ...(audience === undefined ? {} : { audience }),
    };
    try {
      const { key } = way;
      const verified =
        typeof key === 'function'
          ? await jose.jwtVerify(token, key, options)
          : await jose.jwtVerify(token, key, options);
      return verified.payload;
    } catch (error) {
      const refusal = refusalOf(jose.errors, error);
      if (refusal !== undefined) return refusal;
      throw new GatewayError(
        'overloaded',
        'Tokens cannot be checked right now. Try again in a moment.',
        {
          retryAfterMs: 1_000,
          cause: error,
        },
      );
    }
  }

  /** Loaded when the first token comes: most gateways see none. */
  #load() {
    this.#jose ??= import('jose').then((jose) => {
      const { secret, jwksUrl } = this.settings;
      const ways: Way[] = [];
      if (secret !== undefined)
        ways.push({ algorithms: SHARED, key: new TextEncoder().encode(secret) });
      if (jwksUrl !== undefined) {
        const key = jose.createRemoteJWKSet(new URL(jwksUrl), {
          timeoutDuration: JWKS_TIMEOUT_MS,
          cacheMaxAge: JWKS_MAX_AGE_MS,
        });
        ways.push({ algorithms: PUBLIC, key });
      }
      return { jose, ways };
    });
    return this.#jose;
  }
}

function decide(verdict: Verdict): Caller {
  if (verdict.caller !== undefined) return verdict.caller;
  throw unauthorized(verdict.refusal ?? 'The token is not valid.');
}

/** What the token's owner may be told; undefined when the token is not to blame. */
function refusalOf(errors: typeof import('jose').errors, error: unknown): string | undefined {
  if (error instanceof errors.JWTExpired) return 'The token has expired.';
  if (error instanceof errors.JWTClaimValidationFailed) {
    return `The token's claim "${error.claim}" is not valid here.`;
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return "The token's signature is not valid.";
  }
  if (error instanceof errors.JWKSNoMatchingKey) return 'The token is signed with an unknown key.';
  const blamed = [
    errors.JWTInvalid,
    errors.JWSInvalid,
    errors.JOSENotSupported,
    errors.JOSEAlgNotAllowed,
  ];
  return blamed.some((kind) => error instanceof kind) ? 'The token is not valid.' : undefined;
}
