import { crc32 } from 'node:zlib';

/*
 * A frame: 4 bytes of magic, length (uint32 LE), CRC-32 of the payload (uint32 LE), payload.
 * The magic lets a reader find the next whole frame after a damaged one.
 */
const MAGIC = Buffer.from('SLU1', 'latin1');
const HEADER_BYTES = 12;
/** Longer lengths can only be damage: an event is a few hundred bytes. */
export const MAX_PAYLOAD_BYTES = 1 << 20;

/** Encodes payloads (UTF-8 text) one after another. */
export function encodeFrames(payloads: readonly string[]): Buffer {
  const sizes = payloads.map((payload) => Buffer.byteLength(payload));
  const total = sizes.reduce((sum, size) => sum + size + HEADER_BYTES, 0);
  const out = Buffer.allocUnsafe(total);
  let at = 0;
  payloads.forEach((payload, index) => {
    const size = sizes[index] ?? 0;
    MAGIC.copy(out, at);
    out.writeUInt32LE(size, at + 4);
    out.write(payload, at + HEADER_BYTES, size, 'utf8');
    const body = out.subarray(at + HEADER_BYTES, at + HEADER_BYTES + size);
    out.writeUInt32LE(crc32(body), at + 8);
    at += HEADER_BYTES + size;
  });
  return out;
}

export interface DecodedFrame {
  readonly payload: string;
  /** Offset behind the frame, in bytes from the buffer's start. */
  readonly end: number;
}

export interface Decoded {
  readonly frames: readonly DecodedFrame[];
  /** Bytes that need not be read again; what follows may be the start of an unfinished frame. */
  readonly consumed: number;
  /** Bytes that were skipped because they were no whole frame though a whole one follows. */
  readonly skipped: number;
}

/** Reads at most `limit` whole frames. Never throws: damage is skipped up to the next whole frame. */
export function decodeFrames(buffer: Buffer, limit: number): Decoded {
  const frames: DecodedFrame[] = [];
  let at = 0;
  let skipped = 0;
  while (frames.length < limit) {
    const end = frameEnd(buffer, at);
    if (end !== undefined) {
      frames.push({ payload: buffer.toString('utf8', at + HEADER_BYTES, end), end });
      at = end;
      continue;
    }
    const next = nextFrame(buffer, at + 1);
    if (next === undefined) break;
    skipped += next - at;
    at = next;
  }
  return { frames, consumed: at, skipped };
}

function frameEnd(buffer: Buffer, at: number): number | undefined {
  if (at + HEADER_BYTES > buffer.length) return undefined;
  if (buffer.compare(MAGIC, 0, MAGIC.length, at, at + MAGIC.length) !== 0) return undefined;
  const size = buffer.readUInt32LE(at + 4);
  const end = at + HEADER_BYTES + size;
  if (size > MAX_PAYLOAD_BYTES || end > buffer.length) return undefined;
  const crc = buffer.readUInt32LE(at + 8);
  return crc32(buffer.subarray(at + HEADER_BYTES, end)) === crc ? end : undefined;
}

function nextFrame(buffer: Buffer, from: number): number | undefined {
  for (let at = buffer.indexOf(MAGIC, from); at !== -1; at = buffer.indexOf(MAGIC, at + 1)) {
    if (frameEnd(buffer, at) !== undefined) return at;
  }
  return undefined;
}
