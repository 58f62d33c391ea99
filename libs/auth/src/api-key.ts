import { hash } from 'node:crypto';
import { randomToken } from '@sluice/kernel';

const PREFIX = 'sk-sluice-';
const BYTES = 32;
/** Block size of SHA-256 in bytes. */
const BLOCK = 64;
const FORMAT = /^sk-sluice-[A-Za-z0-9_-]{43}$/;

/** A new key of 256 random bits. */
export function generateApiKey(): string {
  return PREFIX + randomToken(BYTES);
}

/** Whether the text could be a key of ours: what cannot be is refused without asking the database. */
export function looksLikeApiKey(text: string): boolean {
  return FORMAT.test(text);
}

/** What lists show, so that people recognise a key: 24 of its 256 bits. */
export function keyHint(key: string): string {
  return `${PREFIX}…${key.slice(-4)}`;
}

/**
 * HMAC-SHA-256 with the pepper. Whoever reads the database has neither keys nor anything to try keys
 * against, because the pepper is not in it.
 */
export class KeyHasher {
  readonly #inner: Buffer;
  readonly #outer: Buffer;

  constructor(pepper: string) {
    const key = Buffer.alloc(BLOCK);
    const bytes = Buffer.from(pepper, 'utf8');
    (bytes.length > BLOCK ? sha256(bytes) : bytes).copy(key);
    this.#inner = Buffer.from(key.map((byte) => byte ^ 0x36));
    this.#outer = Buffer.from(key.map((byte) => byte ^ 0x5c));
  }

  /** RFC 2104 over the one-shot hash, which takes a sixth of the time of `createHmac`: this runs for every request. */
  hash(secret: string): Buffer {
    const inner = sha256(Buffer.concat([this.#inner, Buffer.from(secret, 'utf8')]));
    return sha256(Buffer.concat([this.#outer, inner]));
  }

  /** Says whether two processes have the same pepper, and nothing about what it is. */
  fingerprint(): Buffer {
    return this.hash('sluice key pepper fingerprint');
  }
}

function sha256(bytes: Buffer): Buffer {
  return hash('sha256', bytes, 'buffer');
}
