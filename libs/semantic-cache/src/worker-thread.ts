import { Worker } from 'node:worker_threads';

const YOUNG_MB = 2;
/** A thread that says nothing for so long, though it was asked, will never say anything again. */
const HUNG_MS = 60_000;

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout | undefined;
  /** When it was asked: by `performance.now()`. */
  readonly since: number;
}

export class WorkerError extends Error {
  constructor(
    message: string,
    readonly code: string | undefined,
  ) {
    super(message);
  }
}

/**
 * Request and answer over a worker thread. It starts with the first call; when the thread dies, what
 * waits is refused and the next call starts it anew, but not within a second of the last start. One that hangs is ended.
 */
export class WorkerThread {
  #worker: Worker | undefined;
  #startedAt = -Infinity;
  /** When it was first asked since it last said something. */
  #silentSince: number | undefined;
  #next = 0;
  #closed = false;
  readonly #waiting = new Map<number, Waiting>();

  /** @param file the worker's source beside the caller, without its ending. */
  constructor(
    private readonly file: string,
    private readonly base: string,
    private readonly data: unknown,
    private readonly onNotice?: (notice: Readonly<Record<string, unknown>>) => void,
  ) {}

  /** So many milliseconds it is behind at least: what is asked now comes after what has waited so long for its answer. */
  get behindMs(): number {
    const [oldest] = this.#waiting.values();
    const since = Math.min(oldest?.since ?? Infinity, this.#silentSince ?? Infinity);
    return since === Infinity ? 0 : performance.now() - since;
  }

  /** @param timeoutMs after which the call is refused; the thread goes on and its late answer is dropped. */
  call<T>(method: string, args: unknown, timeoutMs?: number): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const worker = this.#running();
      const id = this.#next++;
      const timer =
        timeoutMs === undefined
          ? undefined
          : setTimeout(() => {
              this.#waiting.delete(id);
              reject(
                new WorkerError(`${this.file}: ${method} took over ${timeoutMs} ms`, 'timeout'),
              );
            }, timeoutMs);
      const since = performance.now();
      // The thread's answers are typed by their callers.
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject, timer, since });
      this.#silentSince ??= since;
      worker.postMessage({ id, method, args });
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    const worker = this.#worker;
    if (worker !== undefined) await this.call('close', undefined, 2000).catch(() => undefined);
    this.#closed = true;
    await worker?.terminate();
    this.#fail(new WorkerError(`${this.file} is closed`, 'closed'));
  }

  #running(): Worker {
    if (this.#closed) throw new WorkerError(`${this.file} is closed`, 'closed');
    const now = performance.now();
    if (this.#worker !== undefined && now - (this.#silentSince ?? now) > HUNG_MS) {
      this.#abandon(this.#worker);
    }
    if (this.#worker !== undefined) return this.#worker;
    if (now - this.#startedAt < 1000) throw new WorkerError(`${this.file} is down`, 'down');
    this.#startedAt = now;
    const ending = this.base.endsWith('.ts') ? 'ts' : 'js';
    const worker = new Worker(new URL(`${this.file}.${ending}`, this.base), {
      workerData: this.data,
      execArgv: [],
      // It moves rows, it does not build objects: V8's default of 16 MB would only sit there, in each thread.
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
    });
    // A cache must not keep the process alive.
    worker.unref();
    worker.on(
      'message',
      (message: {
        id?: number;
        value?: unknown;
        error?: string;
        code?: string;
        notice?: Record<string, unknown>;
      }) => {
        const waiting = this.#waiting.get(message.id ?? -1);
        this.#waiting.delete(message.id ?? -1);
        this.#silentSince = this.#waiting.size > 0 ? performance.now() : undefined;
        if (message.notice !== undefined) this.onNotice?.(message.notice);
        if (waiting === undefined) return;
        clearTimeout(waiting.timer);
        if (message.error === undefined) waiting.resolve(message.value);
        else waiting.reject(new WorkerError(message.error, message.code));
      },
    );
    const gone = (error: Error): void => {
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      this.#silentSince = undefined;
      this.#fail(error);
    };
    worker.on('error', (error: unknown) => {
      gone(error instanceof Error ? error : new Error(String(error)));
    });
    worker.on('exit', (code) => {
      gone(new WorkerError(`${this.file} ended with ${code}`, 'exit'));
    });
    this.#worker = worker;
    return worker;
  }

  /** Another thread takes over; this one ends, unless it is in a native loop, which nobody can leave for it. */
  #abandon(worker: Worker): void {
    this.#worker = undefined;
    this.#silentSince = undefined;
    void worker.terminate();
    this.#fail(new WorkerError(`${this.file} hung and is ended`, 'hung'));
  }

  #fail(error: Error): void {
    for (const [id, waiting] of [...this.#waiting]) {
      this.#waiting.delete(id);
      clearTimeout(waiting.timer);
      waiting.reject(error);
    }
  }
}
