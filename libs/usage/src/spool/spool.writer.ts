import { open, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { FrameBuffer } from './frame.codec.js';
import type { OpenCallNotes } from './open-call.log.js';
import { SEGMENT_SUFFIX, type SpoolDirectory } from './spool.directory.js';
import { SpoolSegment } from './spool.segment.js';

const RETRY_MS = { first: 50, most: 1000 };

interface Group {
  readonly frames: FrameBuffer;
  /** Of the calls whose events these are. */
  readonly notes: OpenCallNotes[];
  readonly done: PromiseWithResolvers<void>;
}

export interface SpoolWriterOptions {
  /** Milliseconds in which events gather before they are written and synced together. */
  readonly windowMs: number;
  /** A segment is closed when it has grown beyond this. */
  readonly segmentBytes: number;
  /** Told each new segment, in order. */
  readonly onSegment: (segment: SpoolSegment) => void;
  /** Told after each sync how many events became durable, and the notes of their calls. */
  readonly onDurable: (events: number, notes: readonly OpenCallNotes[]) => void;
  /** Told each failed write: the disk is full or broken. The events wait in memory and are tried again. */
  readonly onFault: (error: unknown) => void;
}

/** Appends to the newest segment: one write and one sync for all events of a window. */
export class SpoolWriter {
  readonly #options: SpoolWriterOptions;
  readonly #directory: SpoolDirectory;
  #group: Group | undefined;
  #running: Promise<void> | undefined;
  #current:
    | { readonly segment: SpoolSegment; readonly handle: FileHandle; readonly inode: number }
    | undefined;
  #sequence = 0;
  #stalled = false;
  #waiting = 0;
  readonly #stop = new AbortController();

  constructor(directory: SpoolDirectory, options: SpoolWriterOptions) {
    this.#directory = directory;
    this.#options = options;
  }

  /** True from a failed write until one succeeds. */
  get stalled(): boolean {
    return this.#stalled;
  }

  /** Bytes in memory that are not yet on the disk. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Resolves when the event is on the disk. Never rejects while the writer is open. */
  append(payload: string, call?: OpenCallNotes): Promise<void> {
    this.#group ??= { frames: new FrameBuffer(), notes: [], done: Promise.withResolvers() };
    const { frames, notes, done } = this.#group;
    const before = frames.length;
    frames.add(payload);
    this.#waiting += frames.length - before;
    if (call !== undefined) notes.push(call);
    this.#running ??= this.#run();
    return done.promise;
  }

  /** Waits until nothing is in memory. */
  async flush(): Promise<void> {
    await this.#running;
  }

  /** Ends the current segment, so that it can be removed once it is shipped. */
  async seal(): Promise<void> {
    const current = this.#current;
    this.#current = undefined;
    if (current === undefined) return;
    current.segment.sealed = true;
    await current.handle.close().catch(() => undefined);
  }

  /** Stops trying. Events that could not be written reject their promises. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await this.seal();
  }

  async #run(): Promise<void> {
    while (this.#group !== undefined) {
      if (!this.#stop.signal.aborted) {
        await delay(this.#options.windowMs, undefined, { signal: this.#stop.signal }).catch(
          () => undefined,
        );
      }
      const group = this.#group;
      this.#group = undefined;
      await this.#commit(group);
    }
    this.#running = undefined;
  }

  async #commit(group: Group): Promise<void> {
    for (let wait = RETRY_MS.first; ; wait = Math.min(wait * 2, RETRY_MS.most)) {
      try {
        await this.#write(group.frames.bytes);
        break;
      } catch (error) {
        this.#stalled = true;
        await this.#giveUpSegment();
        this.#options.onFault(error);
        if (this.#stop.signal.aborted) {
          group.done.promise.catch(() => undefined);
          group.done.reject(error);
          return;
        }
        await delay(wait, undefined, { signal: this.#stop.signal }).catch(() => undefined);
      }
    }
    this.#stalled = false;
    this.#waiting -= group.frames.length;
    group.done.resolve();
    this.#options.onDurable(group.frames.count, group.notes);
  }

  async #write(frames: Buffer): Promise<void> {
    const { segment, handle, inode } = (this.#current ??= await this.#open());
    await writeFully(handle, frames, segment.durable);
    await handle.datasync();
    // Had another machine adopted the segment before the sync, it might not have seen these frames.
    if ((await stat(segment.path)).ino !== inode) throw new Error('the segment was taken over');
    segment.durable += frames.length;
    if (segment.durable >= this.#options.segmentBytes) await this.seal();
  }

  async #open() {
    await this.#directory.ensure();
    this.#sequence += 1;
    const name = `${String(this.#sequence).padStart(8, '0')}${SEGMENT_SUFFIX}`;
    const segment = new SpoolSegment(join(this.#directory.path, name));
    const handle = await open(segment.path, 'wx');
    try {
      await this.#directory.sync();
      const { ino } = await handle.stat();
      this.#options.onSegment(segment);
      return { segment, handle, inode: ino };
    } catch (error) {
      await handle.close();
      await segment.remove();
      throw error;
    }
  }

  /** After a failed write or sync nobody knows what the file holds: keep what was durable, go on in another. */
  async #giveUpSegment(): Promise<void> {
    const current = this.#current;
    if (current === undefined) return;
    await current.handle.truncate(current.segment.durable).catch(() => undefined);
    await this.seal();
  }
}

async function writeFully(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
