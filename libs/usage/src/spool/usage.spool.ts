import { SpoolDirectory } from './spool.directory.js';
import { SpoolSegment } from './spool.segment.js';
import { SpoolWriter } from './spool.writer.js';

const SEGMENT_BYTES = 4 * 1024 * 1024;
const WINDOW_MS = 5;
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
}

/** Events read from the spool. They stay in it until {@link SpoolBatch.done}. */
export interface SpoolBatch {
  readonly payloads: readonly string[];
  /** The events are committed elsewhere; a segment that holds nothing else is removed. */
  done(): Promise<void>;
}

/**
 * A durable queue on the local disk. An event is acknowledged when the promise of {@link append} resolves:
 * from then on a killed process, a crashed database or a full disk cannot lose it. It may be read twice
 * (there is no offset file), so what is done with it must be idempotent.
 */
export class UsageSpool {
  readonly #options: UsageSpoolOptions;
  #directory: SpoolDirectory | undefined;
  #writer: SpoolWriter | undefined;
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
      onDurable: (events) => {
        this.#unread += events;
        this.#onArrival?.();
      },
      onFault: this.#options.onFault,
    });
    this.#heartbeat = setInterval(() => {
      directory.touch().catch(this.#options.onFault);
    }, HEARTBEAT_MS).unref();
    await this.adopt();
  }

  /** Resolves when the event is on the disk; waits as long as the disk is full. Rejects once closed. */
  append(payload: string): Promise<void> {
    if (this.#writer === undefined) return Promise.reject(new Error('the usage spool is not open'));
    return this.#writer.append(payload);
  }

  /** New paid calls should be refused: their bills would have no place. */
  get full(): boolean {
    const limit = this.#options.maxBytes();
    this.#atLimit = this.bytes >= (this.#atLimit ? limit * REOPEN_AT : limit);
    return this.#atLimit || (this.#writer?.stalled ?? false);
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

  /** Takes over what dead processes left. @returns the number of segments. */
  async adopt(): Promise<number> {
    const paths = (await this.#directory?.adopt()) ?? [];
    const segments = await Promise.all(paths.map((path) => SpoolSegment.adopt(path)));
    this.#segments.unshift(...segments);
    if (segments.length > 0) this.#onArrival?.();
    return segments.length;
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
      const read = await segment.read(segment.consumed, limit).catch((error: unknown) => {
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
        done: async () => {
          segment.consumed = next;
          if (!segment.adopted) this.#unread -= payloads.length;
          if (segment.sealed && segment.left === 0) await this.#drop(segment);
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
    await this.#directory?.release();
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
