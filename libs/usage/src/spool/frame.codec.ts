import { crc32 } from 'node:zlib';

/*
 * A frame: 4 bytes of magic, length (uint32 LE), CRC-32 of the payload (uint32 LE), payload.
 * The magic lets a reader find the next whole frame after a damaged one.
 */
const MAGIC = Buffer.from('SLU1', 'latin1');
const HEADER_BYTES = 12;
/** Longer lengths can only be damage: an event is a few hundred bytes. */
export const MAX_PAYLOAD_BYTES = 1 << 20;

/** A UTF-16 code unit becomes at most three bytes of UTF-8. */
const MOST_BYTES = 3;
const FIRST_BYTES = 4 * 1024;

/** Payloads (UTF-8 text) as frames, one after another in memory that grows with them. */
export class FrameBuffer {
  #memory = Buffer.allocUnsafe(FIRST_BYTES);
  #length = 0;
  #count = 0;

  /** Bytes. */
  get length(): number {
    return this.#length;
  }

  get count(): number {
    return this.#count;
  }

  /** A view; what is added later may or may not show in it. */
  get bytes(): Buffer {
    return this.#memory.subarray(0, this.#length);
  }

  add(payload: string): void {
    const start = this.#length;
    this.#makeRoom(HEADER_BYTES + payload.length * MOST_BYTES);
    const memory = this.#memory;
    const size = memory.write(payload, start + HEADER_BYTES);
    const end = start + HEADER_BYTES + size;
    memory.set(MAGIC, start);
    memory.writeUInt32LE(size, start + 4);
    memory.writeUInt32LE(crc32(memory.subarray(start + HEADER_BYTES, end)), start + 8);
    this.#length = end;
    this.#count += 1;
  }

  clear(): void {
    this.#length = 0;
    this.#count = 0;
  }

  #makeRoom(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#memory.length) return;
    const wider = Buffer.allocUnsafe(Math.max(needed, 2 * this.#memory.length));
    this.#memory.copy(wider, 0, 0, this.#length);
    this.#memory = wider;
  }
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
