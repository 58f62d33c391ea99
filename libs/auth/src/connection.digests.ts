import { timingSafeEqual } from 'node:crypto';
import type { KeyHasher } from './api-key.js';

/** The keyed hash of a credential, and the same as text: its name in every cache. */
export interface CredentialDigest {
  readonly hash: Buffer;
  readonly name: string;
}

interface Shown {
  readonly secret: Uint8Array;
  readonly digest: CredentialDigest;
}

/**
 * The digest of what each open connection showed last: a client that keeps its connection shows the same with every
 * request, and two SHA-256 were two thirds of what telling a caller takes. It says nothing about the credential being
 * good, which is asked for each request, and goes with the connection.
 */
export class ConnectionDigests {
  readonly #shown = new WeakMap<object, Shown>();

  constructor(private readonly hasher: KeyHasher) {}

  /**
   * @param secret visible ASCII
   * @param connection its socket; nothing is remembered without one
   */
  of(secret: string, connection: object | undefined): CredentialDigest {
    if (connection === undefined) return this.#digest(secret);
    const bytes = Buffer.from(secret, 'latin1');
    const shown = this.#shown.get(connection);
    // A proxy may send the requests of many callers over one connection: none may learn of another's secret by time.
    if (shown?.secret.length === bytes.length && timingSafeEqual(shown.secret, bytes)) {
      return shown.digest;
    }
    const digest = this.#digest(secret);
    // Copied: what Buffer.from gives is a slice of a slab that would stay as long.
    this.#shown.set(connection, { secret: new Uint8Array(bytes), digest });
    return digest;
  }

  #digest(secret: string): CredentialDigest {
    const hash = this.hasher.hash(secret);
    return { hash, name: hash.toString('base64url') };
  }
}
