import { OpenCallLog, type OpenCallNotes } from './open-call.log.js';
import { SpoolDirectory } from './spool.directory.js';
import { SpoolSegment } from './spool.segment.js';
import { SpoolWriter } from './spool.writer.js';

const SEGMENT_BYTES = 4 * 1024 * 1024;
const WINDOW_MS = 5;
/** Read in one go, so that of two notes of a call the newer one counts. */
const NOTES_BYTES = 192 * 1024;
const HEARTBEAT_MS = 15_000;
/** The limit is left again only below this part of it: the signal must not flicker. */
const REOPEN_AT = 0.9;

export interface UsageSpoolOptions {
  /** Directory shared by all processes of this machine (or volume). */
  readonly root: string;
  /** Bytes on the disk from which on the spool calls itself full. Read at each use. */
  readonly maxBytes: () => number;
  /** Told when events cannot be written, and when bytes had to be skipped as damaged. */
  readonly onFault: (error: unknown) => void;
  readonly windowMs?: number;
  readonly segmentBytes?: number;
  readonly notesBytes?: number;
}

/** Events read from the spool. They stay in it until {@link SpoolBatch.done}. */
export interface SpoolBatch {
  readonly payloads: readonly string[];
  /** These are calls of a dead process as they were expected to end; most of them have ended and are known already. */
  readonly expected: boolean;
  /** The events are committed elsewhere; a segment that holds nothing else is removed. */
  done(): Promise<void>;
}

/**
 * A durable queue on the local disk. An event is acknowledged when the promise of {@link append} resolves:
 * from then on a killed process, a crashed database or a full disk cannot lose it. It may be read twice
 * (there is no offset file), so what is done with it must be idempotent.
 *
 * A call that is about to cost something leaves a note first: the event that it becomes if its process dies. Notes of dead
 * processes are read like events, behind the events that the same process has left: with one key for both, whatever
 * comes first stays.
 */
export class UsageSpool {
  readonly #options: UsageSpoolOptions;
  #directory: SpoolDirectory | undefined;
  #writer: SpoolWriter | undefined;
  #notes: OpenCallLog | undefined;
  readonly #segments: SpoolSegment[] = [];
  #heartbeat: NodeJS.Timeout | undefined;
  #unread = 0;
  #atLimit = false;
  #onArrival: (() => void) | undefined;

  constructor(options: UsageSpoolOptions) {
    this.#options = options;
  }

  async open(): Promise<void> {
    const directory = await SpoolDirectory.claim(this.#options.root);
    this.#directory = directory;
    this.#writer = new SpoolWriter(directory, {
      windowMs: this.#options.windowMs ?? WINDOW_MS,
      segmentBytes: this.#options.segmentBytes ?? SEGMENT_BYTES,
      onSegment: (segment) => this.#segments.push(segment),
      onDurable: (events, notes) => {
        this.#unread += events;
        for (const call of notes) this.#notes?.ended(call);
        this.#onArrival?.();
      },
      onFault: this.#options.onFault,
    });
    this.#notes = new OpenCallLog(directory, {
      maxBytes: this.#options.notesBytes ?? NOTES_BYTES,
      shipped: () => this.#shippedUpTo(),
      onFault: this.#options.onFault,
    });
    this.#heartbeat = setInterval(() => {
      directory.touch().catch((error: unknown) => {
        // Another machine has taken the directory over: notes written from now on belong into a new one.
        this.#notes?.rotate();
        this.#options.onFault(error);
      });
    }, HEARTBEAT_MS).unref();
    await this.#notes.open();
    await this.adopt();
  }

  /**
   * Resolves when the event is on the disk; waits as long as the disk is full. Rejects once closed.
   * @param notes of the same call: they may go when the event is shipped
   */
  append(payload: string, notes?: OpenCallNotes): Promise<void> {
    if (this.#writer === undefined) return Promise.reject(new Error('the usage spool is not open'));
    return this.#writer.append(payload, notes);
  }

  /**
   * Writes down what a call that is about to cost something will become if this process dies. A killed process
   * keeps it (the write has reached the kernel), a power cut may not. Done at once, but for a slow disk.
   * @throws Error when the disk takes no more, or the spool is not open
   */
  note(payload: string, call: OpenCallNotes): Promise<void> | undefined {
    if (this.#notes === undefined) throw new Error('the usage spool is not open');
    return this.#notes.write(payload, call);
  }

  /** New paid calls should be refused: their bills would have no place. */
  get full(): boolean {
    const limit = this.#options.maxBytes();
    const bytes = this.bytes + (this.#notes?.bytes ?? 0);
    this.#atLimit = bytes >= (this.#atLimit ? limit * REOPEN_AT : limit);
    return this.#atLimit || this.stalled;
  }

  /** The disk takes nothing at the moment: events wait in memory. */
  get stalled(): boolean {
    return this.#writer?.stalled ?? false;
  }

  /** Bytes that were not shipped yet, on the disk and in memory. */
  get bytes(): number {
    return this.left + (this.#writer?.waiting ?? 0);
  }

  /** Bytes on the disk that were not shipped yet. */
  get left(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.left, 0);
  }

  /** Events of this process that are durable and were not read; adopted ones are not counted. */
  get unread(): number {
    return this.#unread;
  }

  /** Calls `listener` whenever there is something new to read. */
  onArrival(listener: () => void): void {
    this.#onArrival = listener;
  }

  /** Takes over what dead processes left. @returns the number of files. */
  async adopt(): Promise<number> {
    const { segments = [], notes = [] } = (await this.#directory?.adopt()) ?? {};
    const files = await Promise.all([
      ...segments.map((path) => SpoolSegment.adopt(path, 'adopted')),
      // The newest first: of two notes of a call the later one knows more.
      ...notes.toReversed().map((path) => SpoolSegment.adopt(path, 'notes')),
    ]);
    this.#segments.unshift(...files);
    if (files.length > 0) this.#onArrival?.();
    return files.length;
  }

  /** The oldest events, at most `limit`; undefined when there are none. Not to be called again before `done()`. */
  async next(limit: number): Promise<SpoolBatch | undefined> {
    for (;;) {
      const segment = this.#segments.find((each) => each.left > 0 || each.sealed);
      if (segment === undefined) return undefined;
      if (segment.left === 0) {
        await this.#drop(segment);
        continue;
      }
      const most = segment.kind === 'notes' ? Infinity : limit;
      const read = await segment.read(segment.consumed, most).catch((error: unknown) => {
        // Another machine took the segment over while this one was silent: its events are theirs now.
        if (isMissing(error)) return undefined;
        throw error;
      });
      if (read === undefined) {
        await this.#drop(segment);
        continue;
      }
      const { payloads, next, damaged } = read;
      if (damaged > 0) this.#options.onFault(new DamagedSpool(segment.path, damaged));
      if (payloads.length === 0) {
        segment.consumed = next;
        continue;
      }
      return {
        payloads,
        expected: segment.kind === 'notes',
        done: async () => {
          segment.consumed = next;
          if (segment.kind === 'own') this.#unread -= payloads.length;
          if (segment.sealed && segment.left === 0) await this.#drop(segment);
          await this.#notes?.sweep();
        },
      };
    }
  }

  /** Waits until every accepted event is on the disk. */
  async flush(): Promise<void> {
    await this.#writer?.flush();
  }

  /** Writes what is in memory, if the disk lets it, and leaves what was not shipped to the next process. */
  async close(): Promise<void> {
    clearInterval(this.#heartbeat);
    const writer = this.#writer;
    this.#writer = undefined;
    await writer?.close();
    for (const segment of [...this.#segments]) {
      if (segment.left === 0) await this.#drop(segment);
    }
    await this.#notes?.close();
    await this.#directory?.release();
  }

  /** A predicate that tells, later, whether all that is durable by now has been shipped. */
  #shippedUpTo(): () => boolean {
    const segment = this.#segments.findLast(({ kind }) => kind === 'own');
    const offset = segment?.durable ?? 0;
    return () => segment === undefined || segment.consumed >= offset;
  }

  async #drop(segment: SpoolSegment): Promise<void> {
    this.#segments.splice(this.#segments.indexOf(segment), 1);
    await segment.remove();
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}

/** Bytes that are no whole frame: the torn end of a killed process's segment, or a broken disk. */
export class DamagedSpool extends Error {
  constructor(
    readonly path: string,
    readonly bytes: number,
  ) {
    super(`skipped ${bytes} bytes of ${path} that are no whole usage event`);
  }
}
