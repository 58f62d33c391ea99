import { randomBytes, randomFillSync } from 'node:crypto';

const BYTES_PER_ID = 10;
const pool = Buffer.allocUnsafe(BYTES_PER_ID * 512);
let offset = pool.length;
let timeMs = -1;

/** The id that is being written. Text of its own and not joined pieces: ids live as long as their calls. */
const id = Buffer.from('00000000-0000-7000-8000-000000000000', 'latin1');
const HEX = Buffer.from('0123456789abcdef', 'latin1');
const VARIANTS = Buffer.from('89ab', 'latin1');
const VARIANT_AT = 19;
/** Where the random digits stand; 14 is the version, 19 the variant. */
const RANDOM_AT = [
  15,
  16,
  17,
  VARIANT_AT,
  20,
  21,
  22,
  ...Array.from({ length: 12 }, (_, i) => 24 + i),
];

/** A UUIDv7 (RFC 9562 section 5.7): 48 bits of Unix milliseconds, then random bits; sorts by time. */
export function uuidv7(nowMs: number = Date.now()): string {
  if (offset === pool.length) {
    randomFillSync(pool);
    offset = 0;
  }
  if (nowMs !== timeMs) {
    const time = nowMs.toString(16).padStart(12, '0');
    id.write(`${time.slice(0, 8)}-${time.slice(8)}`, 'latin1');
    timeMs = nowMs;
  }
  for (let i = 0; i < RANDOM_AT.length; i++) {
    const byte = pool[offset + (i >>> 1)] ?? 0;
    const digit = i % 2 === 0 ? byte >>> 4 : byte & 0xf;
    const at = RANDOM_AT[i] ?? 0;
    id[at] = (at === VARIANT_AT ? VARIANTS[digit & 3] : HEX[digit]) ?? 0;
  }
  offset += BYTES_PER_ID;
  return id.toString('latin1');
}

/** Random text of `bytes` bytes in base64url, for secrets. */
export function randomToken(bytes: number): string {
  return randomBytes(bytes).toString('base64url');
}
