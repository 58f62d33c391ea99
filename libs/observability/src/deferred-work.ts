import type { Logger } from './logger.js';

/** Work that no caller waits for: stored answers, shadow checks, promotions. Shutdown awaits it. */
export class DeferredWork {
  readonly #running = new Set<Promise<void>>();
  readonly #logger: Logger;
  #closed = false;

  constructor(
    logger: Logger,
    /** Work beyond this is dropped with a warning: a slow dependency must not fill the memory. */
    private readonly limit = 10_000,
  ) {
    this.#logger = logger;
  }

  get pending(): number {
    return this.#running.size;
  }

  /** Starts `work` after the current turn of the event loop. Its failure is logged, never thrown. */
  run(name: string, work: () => Promise<unknown> | undefined): boolean {
    if (this.#closed || this.#running.size >= this.limit) {
      this.#logger.warn({ work: name }, 'deferred work dropped');
      return false;
    }
    const job = new Promise<void>((resolve) => {
      setImmediate(() => {
        // The executor form also catches a synchronous throw of `work`.
        Promise.resolve()
          .then(work)
          .catch((error: unknown) => {
            this.#logger.warn({ work: name, err: error }, 'deferred work failed');
          })
          .finally(resolve);
      });
    });
    this.#running.add(job);
    void job.finally(() => this.#running.delete(job));
    return true;
  }

  /** Waits for all work, also work that it starts meanwhile, for at most `timeoutMs`. True when none is left. */
  async drain(timeoutMs: number): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    while (this.#running.size > 0) {
      const left = deadline - performance.now();
      if (left <= 0) return false;
      let timer: NodeJS.Timeout | undefined;
      await Promise.race([
        Promise.all(this.#running),
        new Promise((resolve) => {
          timer = setTimeout(resolve, left);
        }),
      ]);
      clearTimeout(timer);
    }
    return true;
  }

  /** No new work from here on. */
  close(): void {
    this.#closed = true;
  }
}
