import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { crc32, gunzip, gzip } from 'node:zlib';

const compress = promisify(gzip);
const expand = promisify(gunzip);
/** A stored value never unfolds to more than this: a tampered one must not fill the memory. */
const MAX_BYTES = 16 * 1024 * 1024;

/**
 * Text ↔ what lies in the second tier: `<form><crc32>:<payload>` with form `p` (plain), `g` (gzip),
 * and `P`, `G` for the same under AES-256-GCM. The key of the entry is authenticated with the value, so
 * that no value can be moved under another key.
 */
export class ValueCodec {
  readonly #secret: Buffer | undefined;

  constructor(encryptionKey: string | undefined) {
    this.#secret =
      encryptionKey === undefined
        ? undefined
        : Buffer.from(hkdfSync('sha256', encryptionKey, '', 'sluice-cache-at-rest', 32));
  }

  async encode(key: string, text: string, compressAbove: number): Promise<string> {
    const big = text.length > compressAbove;
    if (this.#secret === undefined && !big) return frame('p', text);
    const bytes = big ? await compress(text, { level: 1 }) : Buffer.from(text);
    if (this.#secret === undefined) return frame('g', bytes.toString('base64'));
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', this.#secret, nonce).setAAD(Buffer.from(key));
    const sealed = Buffer.concat([
      nonce,
      cipher.update(bytes),
      cipher.final(),
      cipher.getAuthTag(),
    ]);
    return frame(big ? 'G' : 'P', sealed.toString('base64'));
  }

  /** @throws when the value is torn, foreign, sealed with another key, or not sealed although there is a key. */
  async decode(key: string, stored: string): Promise<string> {
    const colon = stored.indexOf(':');
    const form = stored.charAt(0);
    const payload = stored.slice(colon + 1);
    if (stored.slice(1, colon) !== crc32(payload).toString(16)) throw new Error('torn value');
    const isSealed = form === 'P' || form === 'G';
    // Else who can write to the store could put words into the gateway's mouth.
    if (this.#secret !== undefined && !isSealed) throw new Error('value is not encrypted');
    if (form === 'p') return payload;
    let bytes: Buffer = Buffer.from(payload, 'base64');
    if (isSealed) bytes = this.#open(key, bytes);
    if (form === 'P') return bytes.toString();
    return (await expand(bytes, { maxOutputLength: MAX_BYTES })).toString();
  }

  #open(key: string, sealed: Buffer): Buffer {
    if (this.#secret === undefined) throw new Error('value is encrypted and no key is set');
    const decipher = createDecipheriv('aes-256-gcm', this.#secret, sealed.subarray(0, 12))
      .setAAD(Buffer.from(key))
      .setAuthTag(sealed.subarray(-16));
    return Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]);
  }
}

function frame(form: string, payload: string): string {
  return `${form}${crc32(payload).toString(16)}:${payload}`;
}
