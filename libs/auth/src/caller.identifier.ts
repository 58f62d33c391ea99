import { Injectable } from '@nestjs/common';
import { timingSafeEqual } from 'node:crypto';
import { ConfigStore } from '@sluice/config';
import { ADMIN_SCOPE, GatewayError, type Caller } from '@sluice/kernel';
import { ANONYMOUS_TIER, AnonymousCallers } from './anonymous-caller.js';
import { KeyHasher, looksLikeApiKey } from './api-key.js';
import { AuthSecrets } from './auth.secrets.js';
import { ConnectionDigests, type CredentialDigest } from './connection.digests.js';
import { JwtVerifier } from './jwt/jwt.verifier.js';
import { KeyVerifier } from './keys/key.verifier.js';
import {
  presentedCredential,
  unauthorized,
  type CredentialSource,
} from './presented-credential.js';
import { hasTier } from './tier.js';

export interface IdentitySource extends CredentialSource {
  /** The client's address, as seen behind trusted proxies alone. */
  readonly ip?: string;
  /** The connection it came on. */
  readonly socket?: object;
}

/** Whoever holds the key of `SLUICE_ADMIN_KEY` or `admin.key`. */
const OPERATOR: Caller = Object.freeze({
  tenant: 'default',
  // Nobody else's: a key's owner or a token's subject cannot begin so.
  id: 'sluice:admin',
  kind: 'key',
  tier: 'admin',
  scopes: Object.freeze([ADMIN_SCOPE]),
  keyId: 'admin',
});

/** From a request's headers and address to the caller. */
@Injectable()
export class CallerIdentifier {
  readonly #anonymous = new AnonymousCallers();
  readonly #digests: ConnectionDigests;
  readonly #operatorHash: Buffer;

  constructor(
    private readonly keys: KeyVerifier,
    private readonly tokens: JwtVerifier,
    hasher: KeyHasher,
    private readonly config: ConfigStore,
    secrets: AuthSecrets,
  ) {
    this.#digests = new ConnectionDigests(hasher);
    this.#operatorHash = hasher.hash(secrets.adminKey);
  }

  /** A value, not a promise, whenever the answer is at hand. @throws GatewayError unauthorized, forbidden, overloaded */
  identify(source: IdentitySource): Caller | Promise<Caller> {
    const credential = presentedCredential(source);
    if (credential.kind === 'none') return this.#anonymousAt(source.ip);
    const digest = this.#digests.of(credential.secret, source.socket);
    if (timingSafeEqual(digest.hash, this.#operatorHash)) return OPERATOR;
    const caller =
      credential.kind === 'jwt'
        ? this.tokens.verify(credential.secret, digest.name)
        : this.#keyOf(credential.secret, digest);
    return caller instanceof Promise
      ? caller.then((known) => this.#withTier(known))
      : this.#withTier(caller);
  }

  #keyOf(secret: string, digest: CredentialDigest): Caller | Promise<Caller> {
    if (!looksLikeApiKey(secret)) {
      throw unauthorized(
        'This is not an API key of this gateway: those are sk-sluice- and 43 characters.',
      );
    }
    return this.keys.verify(digest);
  }

  #anonymousAt(ip: string | undefined): Caller {
    const { sluice, policies } = this.config.current;
    if (sluice.auth.anonymous && hasTier(policies, ANONYMOUS_TIER)) return this.#anonymous.at(ip);
    throw unauthorized('An API key is required. Send it as: Authorization: Bearer YOUR_KEY.');
  }

  #withTier(caller: Caller): Caller {
    if (hasTier(this.config.current.policies, caller.tier)) return caller;
    throw new GatewayError('forbidden', `The tier "${caller.tier}" is not configured here.`, {
      shouldRetry: false,
    });
  }
}
