import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { crc32, gunzip, gunzipSync, gzip, gzipSync } from 'node:zlib';

const compress = promisify(gzip);
const expand = promisify(gunzip);
/** A stored value never unfolds to more than this: a tampered one must not fill the memory. */
const MAX_BYTES = 16 * 1024 * 1024;
const LEVEL = 1;

/**
 * Text ↔ what lies in the second tier: `<form><crc32>:<payload>` with form `p` (plain), `g` (gzip),
 * and `P`, `G` for the same under AES-256-GCM. The key of the entry is authenticated with the value, so
 * that no value can be moved under another key.
 *
 * Loaded in worker threads too, from sources and from the build: imports Node's modules only.
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
    const packed = text.length > compressAbove ? await compress(text, { level: LEVEL }) : undefined;
    return this.#seal(key, text, packed);
  }

  /** As {@link encode}, for a thread of its own: compressing takes milliseconds. */
  encodeNow(key: string, text: string, compressAbove: number): string {
    const packed = text.length > compressAbove ? gzipSync(text, { level: LEVEL }) : undefined;
    return this.#seal(key, text, packed);
  }

  /** @throws when the value is torn, foreign, sealed with another key, or not sealed although there is a key. */
  async decode(key: string, stored: string): Promise<string> {
    return this.decodeSoon(key, stored);
  }

  /** As {@link decode}, but what is not packed is there at once; faults are thrown at once, too. */
  decodeSoon(key: string, stored: string): string | Promise<string> {
    const read = this.#unseal(key, stored);
    if (typeof read === 'string') return read;
    return expand(read, { maxOutputLength: MAX_BYTES }).then(String);
  }

  /** As {@link decode}, for a thread of its own. */
  decodeNow(key: string, stored: string): string {
    const read = this.#unseal(key, stored);
    if (typeof read === 'string') return read;
    return gunzipSync(read, { maxOutputLength: MAX_BYTES }).toString();
  }

  #seal(key: string, text: string, packed: Buffer | undefined): string {
    if (this.#secret === undefined) {
      return packed === undefined ? frame('p', text) : frame('g', packed.toString('base64'));
    }
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', this.#secret, nonce).setAAD(Buffer.from(key));
    const sealed = Buffer.concat([
      nonce,
      cipher.update(packed ?? Buffer.from(text)),
      cipher.final(),
      cipher.getAuthTag(),
    ]);
    return frame(packed === undefined ? 'P' : 'G', sealed.toString('base64'));
  }

  /** The text, or its packed bytes. */
  #unseal(key: string, stored: string): string | Buffer {
    const colon = stored.indexOf(':');
    const form = stored.charAt(0);
    const payload = stored.slice(colon + 1);
    if (stored.slice(1, colon) !== crc32(payload).toString(16)) throw new Error('torn value');
    const isSealed = form === 'P' || form === 'G';
    // Else who can write to the store could put words into the gateway's mouth.
    if (this.#secret !== undefined && !isSealed) throw new Error('value is not encrypted');
    if (form === 'p') return payload;
    const bytes = Buffer.from(payload, 'base64');
    const opened = isSealed ? this.#open(key, bytes) : bytes;
    return form === 'P' ? opened.toString() : opened;
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
