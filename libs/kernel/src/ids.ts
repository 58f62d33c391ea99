import { randomBytes, randomFillSync } from 'node:crypto';

const BYTES_PER_ID = 10;
const DIGITS_PER_ID = BYTES_PER_ID * 2;
const pool = Buffer.allocUnsafe(BYTES_PER_ID * 512);
let digits = '';
let offset = 0;
let timeMs = -1;
let timePart = '';

/** A UUIDv7 (RFC 9562 section 5.7): 48 bits of Unix milliseconds, then random bits; sorts by time. */
export function uuidv7(nowMs: number = Date.now()): string {
  if (offset === digits.length) {
    digits = randomFillSync(pool).toString('hex');
    offset = 0;
  }
  if (nowMs !== timeMs) {
    const time = nowMs.toString(16).padStart(12, '0');
    timeMs = nowMs;
    timePart = `${time.slice(0, 8)}-${time.slice(8)}-7`;
  }
  const at = offset;
  offset += DIGITS_PER_ID;
  const variant = '89ab'.charAt(Number.parseInt(digits.charAt(at + 3), 16) & 3);
  return `${timePart}${digits.slice(at, at + 3)}-${variant}${digits.slice(at + 4, at + 7)}-${digits.slice(at + 7, at + 19)}`;
}

/** Random text of `bytes` bytes in base64url, for secrets. */
export function randomToken(bytes: number): string {
  return randomBytes(bytes).toString('base64url');
}
