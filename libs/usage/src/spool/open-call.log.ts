import { close, open, unlink, write, writeSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { FrameBuffer } from './frame.codec.js';
import { NOTES_SUFFIX, type SpoolDirectory } from './spool.directory.js';

const openFile = promisify(open);
const writeFile = promisify(write);
const closeFile = promisify(close);
const removeFile = promisify(unlink);

/** A write into the page cache takes microseconds. Where two of a few take longer, the disk is waited for. */
const SLOW_MS = 1;
const FEW = 16;
/** So long the thread pool writes after that. */
const ASIDE_FOR_MS = 5_000;

interface NotesFile {
  readonly path: string;
  readonly fd: number;
  size: number;
  /** Notes in this file of calls whose event is not durable yet. */
  open: number;
  /** Writes under way in the thread pool. */
  writing: number;
  sealed: boolean;
  /** Whether the events of all its calls are shipped; set when none of them is open any more. */
  shipped: (() => boolean) | undefined;
}

const NOWHERE: readonly NotesFile[] = [];

/** Where the notes of one call are. */
export class OpenCallNotes {
  /** Not an array that grows: one that is pushed to takes room for sixteen more, and a call has one note. */
  files = NOWHERE;
}

export interface OpenCallLogOptions {
  /** A file is closed when it has grown beyond this. */
  readonly maxBytes: number;
  /** @returns a predicate that tells, later, whether all events that are durable by now are shipped */
  readonly shipped: () => () => boolean;
  readonly onFault: (error: unknown) => void;
  /** Another disk, in tests. */
  readonly writeSync?: (
    fd: number,
    bytes: Buffer,
    offset: number,
    length: number,
    position: number,
  ) => number;
}

/**
 * Notes of calls under way, for the case that this process is killed: then whoever adopts the files knows them. Nothing is
 * synced, since a killed process's writes survive in the kernel, and nothing is marked as ended: a file is removed
 * when the events of all its calls are shipped, and a note whose event is shipped says nothing new.
 *
 * A note must be written before the upstream hears of the call. The write is synchronous, a few microseconds into the
 * page cache, a tenth of what the thread pool takes; when the disk makes them slow, the thread pool does it.
 */
export class OpenCallLog {
  #files: NotesFile[] = [];
  #current: NotesFile | undefined;
  #opening: Promise<void> | undefined;
  #sequence = 0;
  #sinceSlow = FEW;
  #asideUntil = 0;
  #closed = false;
  /** Of the note that is being written. */
  readonly #frame = new FrameBuffer();

  constructor(
    private readonly directory: SpoolDirectory,
    private readonly options: OpenCallLogOptions,
  ) {}

  /** Bytes on the disk. */
  get bytes(): number {
    return this.#files.reduce((sum, file) => sum + file.size, 0);
  }

  /** Opens the next file; while it cannot, every write tries again. */
  async open(): Promise<void> {
    await this.directory.ensure();
    this.#sequence += 1;
    const name = `${String(this.#sequence).padStart(8, '0')}${NOTES_SUFFIX}`;
    const path = join(this.directory.path, name);
    const fd = await openFile(path, 'wx');
    const file = { path, fd, size: 0, open: 0, writing: 0, sealed: false, shipped: undefined };
    this.#files.push(file);
    const previous = this.#current;
    this.#current = file;
    if (previous !== undefined) this.#seal(previous);
    if (this.#closed) this.#seal(file);
  }

  /** @returns undefined when it is written already. @throws Error when the disk takes no more */
  write(payload: string, call: OpenCallNotes): Promise<void> | undefined {
    this.#frame.clear();
    this.#frame.add(payload);
    const frame = this.#frame.bytes;
    const file = this.#current;
    if (file === undefined) return this.#writeLater(Buffer.from(frame), call);
    if (file.size > this.options.maxBytes) this.rotate();
    const at = this.#reserve(file, frame.length, call);
    const started = performance.now();
    if (started < this.#asideUntil) return this.#writeAside(file, Buffer.from(frame), at);
    try {
      const writeNow = this.options.writeSync ?? writeSync;
      checkWhole(writeNow(file.fd, frame, 0, frame.length, at), frame);
    } catch (error) {
      this.#giveUp(file);
      throw error;
    }
    this.#watch(started, performance.now());
    return undefined;
  }

  /** The event of the call is durable. */
  ended(call: OpenCallNotes): void {
    const { files } = call;
    call.files = NOWHERE;
    for (const file of files) {
      file.open -= 1;
      if (file.open === 0) file.shipped = this.options.shipped();
    }
  }

  /** Removes files that say nothing new any more. */
  async sweep(): Promise<void> {
    for (const file of this.#files.filter((each) => each.sealed && isOver(each))) {
      this.#files = this.#files.filter((each) => each !== file);
      await removeFile(file.path).catch(() => undefined);
    }
  }

  /** Goes on in another file. */
  rotate(): void {
    this.#opening ??= this.open()
      .catch(this.options.onFault)
      .finally(() => (this.#opening = undefined));
  }

  /** Leaves notes of calls that have not ended, or are not shipped, to the next process. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#opening;
    if (this.#current !== undefined) this.#seal(this.#current);
    this.#current = undefined;
    await this.sweep();
  }

  /** One slow write may be the scheduler's doing. */
  #watch(started: number, ended: number): void {
    this.#sinceSlow += 1;
    if (ended - started < SLOW_MS) return;
    if (this.#sinceSlow < FEW) this.#asideUntil = ended + ASIDE_FOR_MS;
    this.#sinceSlow = 0;
  }

  #reserve(file: NotesFile, bytes: number, call: OpenCallNotes): number {
    const at = file.size;
    file.size += bytes;
    file.open += 1;
    file.shipped = undefined;
    call.files = [...call.files, file];
    return at;
  }

  async #writeLater(frame: Buffer, call: OpenCallNotes): Promise<void> {
    this.rotate();
    await this.#opening;
    const file = this.#current;
    if (file === undefined) throw new Error('a paid call cannot be noted: the spool takes no more');
    await this.#writeAside(file, frame, this.#reserve(file, frame.length, call));
  }

  async #writeAside(file: NotesFile, frame: Buffer, at: number): Promise<void> {
    file.writing += 1;
    try {
      const { bytesWritten } = await writeFile(file.fd, frame, 0, frame.length, at);
      checkWhole(bytesWritten, frame);
    } catch (error) {
      this.#giveUp(file);
      throw error;
    } finally {
      file.writing -= 1;
      if (file.sealed) this.#release(file);
    }
  }

  #giveUp(file: NotesFile): void {
    if (this.#current === file) this.#current = undefined;
    if (!file.sealed) this.#seal(file);
  }

  #seal(file: NotesFile): void {
    file.sealed = true;
    this.#release(file);
  }

  #release(file: NotesFile): void {
    if (file.writing === 0) closeFile(file.fd).catch(this.options.onFault);
  }
}

function isOver(file: NotesFile): boolean {
  return file.open === 0 && (file.shipped?.() ?? true);
}

function checkWhole(written: number, frame: Buffer): void {
  if (written < frame.length) throw new Error('a paid call cannot be noted: the disk is full');
}
