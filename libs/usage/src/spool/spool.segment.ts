import { open, stat, unlink, type FileHandle } from 'node:fs/promises';
import { decodeFrames, MAX_PAYLOAD_BYTES } from './frame.codec.js';

const READ_BYTES = 256 * 1024;
/** Holds the longest frame, so that one which does not fit is damage and not impatience. */
const LARGEST_READ_BYTES = MAX_PAYLOAD_BYTES + READ_BYTES;

/** A file of frames: written to its end by one process, read from its start by the same one. */
export class SpoolSegment {
  /** Bytes that are surely on the disk; readers go no further. */
  durable = 0;
  /** Bytes that need not be read again. */
  consumed = 0;
  /** No frame will be added. */
  sealed = false;

  constructor(
    readonly path: string,
    readonly kind: 'own' | 'adopted' | 'notes' = 'own',
  ) {}

  /** What another process has left behind: events, or notes of calls that may not have ended. */
  static async adopt(path: string, kind: 'adopted' | 'notes'): Promise<SpoolSegment> {
    const segment = new SpoolSegment(path, kind);
    segment.durable = (await stat(path)).size;
    segment.sealed = true;
    return segment;
  }

  get left(): number {
    return this.durable - this.consumed;
  }

  /**
   * Reads up to `limit` payloads behind `from` without consuming them.
   * @returns where the next read starts, and how many bytes of damage were met.
   */
  async read(
    from: number,
    limit: number,
  ): Promise<{ payloads: string[]; next: number; damaged: number }> {
    const handle = await open(this.path, 'r');
    try {
      for (let size = READ_BYTES; ; size = LARGEST_READ_BYTES) {
        const wanted = Math.min(size, this.durable - from);
        const buffer = await readFully(handle, from, wanted);
        const { frames, consumed, skipped } = decodeFrames(buffer, limit);
        const payloads = frames.map((frame) => frame.payload);
        const atEnd = from + buffer.length >= this.durable;
        if (payloads.length > 0) return { payloads, next: from + consumed, damaged: skipped };
        if (atEnd) return { payloads, next: this.durable, damaged: buffer.length };
        // Not even the largest frame fits in here: this stretch is damaged, the next one may not be.
        if (size === LARGEST_READ_BYTES) {
          const stretch = buffer.length - MAX_PAYLOAD_BYTES;
          return { payloads, next: from + stretch, damaged: stretch };
        }
      }
    } finally {
      await handle.close();
    }
  }

  async remove(): Promise<void> {
    await unlink(this.path).catch(() => undefined);
  }
}

async function readFully(handle: FileHandle, from: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(bytes);
  let filled = 0;
  while (filled < bytes) {
    const { bytesRead } = await handle.read(buffer, filled, bytes - filled, from + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}
