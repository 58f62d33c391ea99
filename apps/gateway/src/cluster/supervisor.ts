import type { Logger } from '@sluice/observability';

const BACK_OFF_MS = { first: 100, most: 10_000 };
/** A worker that lived this long was well: its end says nothing about the next one. */
const STEADY_MS = 30_000;

/** A worker process as its supervisor sees it. */
export interface WorkerProcess {
  readonly pid: number;
  /** Resolves when it accepts connections; never, when it ends before. */
  readonly ready: Promise<void>;
  /** Resolves with how it ended: an exit code, or the name of a signal. */
  readonly ended: Promise<number | string>;
  /** Asks it to finish its calls and go. */
  stop(): void;
  kill(): void;
}

export interface SupervisorOptions {
  readonly workers: number;
  readonly fork: (slot: number) => WorkerProcess;
  readonly logger: Logger;
  readonly now: () => number;
  readonly wait: (ms: number) => Promise<void>;
}

/** The first worker ended before it was ready: those after it would do the same. */
export class WorkerFailed extends Error {
  override readonly name = 'WorkerFailed';

  constructor(readonly how: number | string) {
    super(`the gateway process ended with ${how} before it was ready`);
  }
}

/** Keeps so many workers alive. One that ends is replaced in its place, later and later when it keeps ending. */
export class Supervisor {
  readonly #alive = new Map<number, WorkerProcess>();
  readonly #ready = new WeakSet<WorkerProcess>();
  #stopping = false;

  constructor(private readonly options: SupervisorOptions) {}

  /** The workers that run now. */
  get alive(): readonly WorkerProcess[] {
    return [...this.#alive.values()];
  }

  /**
   * Starts the first worker and, when it is ready, the others: what is made once, such as secrets and the schema,
   * is made by the first. Resolves then.
   * @throws WorkerFailed when the first worker ends instead
   */
  async start(): Promise<void> {
    const first = this.#fork(0);
    const how = await Promise.race([first.ready.then(() => undefined), first.ended]);
    if (how !== undefined) {
      this.#stopping = true;
      throw new WorkerFailed(how);
    }
    void this.#keep(0, first);
    for (let slot = 1; slot < this.options.workers; slot++) void this.#keep(slot, this.#fork(slot));
  }

  /**
   * Asks all workers to go and waits for them; those that are still there after `timeoutMs` are killed. One that is not ready
   * yet serves nobody and hears nothing: it is killed at once.
   */
  async stop(timeoutMs: number): Promise<void> {
    this.#stopping = true;
    const workers = this.alive;
    for (const worker of workers) {
      if (this.#ready.has(worker)) worker.stop();
      else worker.kill();
    }
    const timer = setTimeout(() => this.kill(), timeoutMs);
    await Promise.all(workers.map((worker) => worker.ended));
    clearTimeout(timer);
  }

  kill(): void {
    this.#stopping = true;
    for (const worker of this.#alive.values()) worker.kill();
  }

  #fork(slot: number): WorkerProcess {
    const worker = this.options.fork(slot);
    this.#alive.set(slot, worker);
    this.options.logger.info({ worker: slot, worker_pid: worker.pid }, 'worker started');
    void worker.ready.then(() => this.#ready.add(worker));
    void worker.ended.then(() => {
      if (this.#alive.get(slot) === worker) this.#alive.delete(slot);
    });
    return worker;
  }

  /** A method, because the answer changes while others are awaited. */
  #isStopping(): boolean {
    return this.#stopping;
  }

  async #keep(slot: number, first: WorkerProcess): Promise<void> {
    const { logger, now, wait } = this.options;
    let failures = 0;
    for (let worker = first; ; worker = this.#fork(slot)) {
      const startedAt = now();
      const how = await worker.ended;
      if (this.#isStopping()) return;
      failures = now() - startedAt < STEADY_MS ? failures + 1 : 1;
      const delay = Math.min(BACK_OFF_MS.most, BACK_OFF_MS.first * 2 ** (failures - 1));
      logger.error(
        { worker: slot, worker_pid: worker.pid, how, delay },
        'a worker ended; starting another',
      );
      await wait(delay);
      if (this.#isStopping()) return;
    }
  }
}
