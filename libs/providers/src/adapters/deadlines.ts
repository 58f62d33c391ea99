import { GatewayError, type StopSignal } from '@sluice/kernel';

/**
 * One upstream exchange's way to be stopped: by the caller who leaves, or by a time limit that is set anew for each
 * phase. `signal` aborts in both cases; {@link failure} tells which it was.
 */
export class Deadlines {
  readonly #abort = new AbortController();
  readonly #onLeave: () => void;
  #timer: NodeJS.Timeout | undefined;
  #expired = false;

  constructor(private readonly caller: StopSignal) {
    this.#onLeave = () => this.#abort.abort();
    if (caller.aborted) this.#abort.abort();
    else caller.addEventListener('abort', this.#onLeave, { once: true });
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Replaces the running limit. Milliseconds. */
  within(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#expired = true;
      this.#abort.abort();
    }, ms);
  }

  /** What `step` gives, or the end of the exchange if that comes first. */
  async race<T>(step: Promise<T>): Promise<T> {
    const { signal } = this.#abort;
    let onAbort: (() => void) | undefined;
    const stopped = new Promise<never>((_, reject) => {
      onAbort = () => reject(this.failure());
      if (signal.aborted) onAbort();
      else signal.addEventListener('abort', onAbort, { once: true });
    });
    // The loser may still fail; nobody waits for it any more.
    step.catch(() => undefined);
    try {
      return await Promise.race([step, stopped]);
    } finally {
      if (onAbort !== undefined) signal.removeEventListener('abort', onAbort);
    }
  }

  /** Only meaningful once `signal` has aborted. */
  failure(): GatewayError {
    return this.#expired
      ? new GatewayError('upstream_timeout', 'The upstream did not answer in time.')
      : new GatewayError('client_closed', 'The request was aborted.');
  }

  /** Ends the watch; `stop` also ends what is still running. */
  end(stop = false): void {
    clearTimeout(this.#timer);
    this.caller.removeEventListener('abort', this.#onLeave);
    if (stop) this.#abort.abort();
  }
}
