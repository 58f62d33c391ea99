import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { randomToken } from '@sluice/kernel';

const PREFIX = 'sk-sluice-';
const BYTES = 32;
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
  readonly #pepper: KeyObject;

  constructor(pepper: string) {
    this.#pepper = createSecretKey(Buffer.from(pepper, 'utf8'));
  }

  hash(secret: string): Buffer {
    return createHmac('sha256', this.#pepper).update(secret).digest();
  }

  /** Says whether two processes have the same pepper, and nothing about what it is. */
  fingerprint(): Buffer {
    return this.hash('sluice key pepper fingerprint');
  }
}
