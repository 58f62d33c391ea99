import { GatewayError, StopSource, asGatewayError, type StopSignal } from '@sluice/kernel';

/** Why an attempt was cut short by ourselves. */
export type CutReason =
  | 'left'
  | 'deadline'
  | 'first_content'
  | 'whole'
  | 'idle'
  | 'stopped'
  | 'hedged'
  /** The engine was done with its stream. */
  | 'closed';

const TIMEOUTS: Readonly<Partial<Record<CutReason, string>>> = {
  deadline: 'No upstream answered within the deadline.',
  first_content: 'The upstream sent no first token in time.',
  whole: 'The upstream did not finish its answer in time.',
  idle: 'The upstream stopped sending in the middle of its answer.',
};

/** The one way to cut an attempt short: aborts its signal and remembers why. */
export class AttemptGate {
  readonly #stop = new StopSource();
  readonly #caller: StopSignal;
  #reason: CutReason | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Whoever waits now; a race against one long-lived promise would grow with every chunk of a stream. */
  #waiting: ((error: GatewayError) => void) | undefined;

  constructor(caller: StopSignal) {
    this.#caller = caller;
    if (caller.aborted) this.cut('left');
    else caller.addEventListener('abort', this.#onLeave, { once: true });
  }

  get signal(): StopSignal {
    return this.#stop;
  }
  get reason(): CutReason | undefined {
    return this.#reason;
  }

  cut(reason: CutReason): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    const error = cutError(reason);
    this.#waiting?.(error);
    this.#stop.abort(error);
  }

  /** Cuts after `ms`, at once when that is over, unless disarmed. Replaces an earlier timer. */
  arm(reason: CutReason, ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => {
        this.cut(reason);
      },
      Math.max(ms, 0),
    );
  }
  disarm(): void {
    clearTimeout(this.#timer);
  }

  /**
   * `work`, or the cut, whichever comes first: an adapter that ignores its signal holds nobody up. One at a time.
   * @param late gets what the work gives after the cut
   */
  within<T>(work: Promise<T>, late: (value: T) => void = () => undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#reason === undefined) this.#waiting = reject;
      else reject(cutError(this.#reason));
      work.then(
        (value) => {
          if (this.#reason === undefined) resolve(value);
          else late(value);
        },
        (error: unknown) => {
          reject(this.#reason === undefined ? asGatewayError(error) : cutError(this.#reason));
        },
      );
    });
  }

  /** The attempt has ended. */
  close(): void {
    clearTimeout(this.#timer);
    this.#caller.removeEventListener('abort', this.#onLeave);
  }

  readonly #onLeave = (): void => {
    this.cut('left');
  };
}

export function cutError(reason: CutReason): GatewayError {
  const timeout = TIMEOUTS[reason];
  return timeout === undefined
    ? new GatewayError('client_closed', 'The caller left.')
    : new GatewayError('upstream_timeout', timeout, { facts: { timeout: reason } });
}
