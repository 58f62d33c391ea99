import {
  BackOff,
  GatewayError,
  type BackOffBounds,
  type Clock,
  type StopSignal,
} from '@sluice/kernel';

export interface SlotRequest {
  /** Higher goes first; waiting makes up for it in time. */
  readonly priority: number;
  readonly signal: StopSignal;
  /** How many may run at once. */
  readonly limit: number;
  readonly maxWaiting: number;
  readonly maxWaitMs: number;
  /** Bounds of the hint when to come back, for a call that is refused. */
  readonly backoff: BackOffBounds;
}

interface Waiter {
  /** The time of arrival, moved ahead by priority: whoever has the earliest goes next. */
  readonly rank: number;
  readonly limit: number;
  readonly backoff: BackOffBounds;
  readonly admit: () => void;
  readonly refuse: (error: Error) => void;
}

/** One step of priority is worth so much waiting, so that nobody waits for ever. */
const AGEING_MS = 5_000;

/**
 * How many calls may be at one provider at once. Those beyond wait in a bounded queue, by priority with ageing;
 * when it is full, the lowest goes.
 */
export class ConcurrencySlots {
  #running = 0;
  /** Sorted by rank. */
  readonly #queue: Waiter[] = [];
  readonly #backOff = new BackOff();

  constructor(
    private readonly provider: string,
    private readonly clock: Clock,
  ) {}

  get running(): number {
    return this.#running;
  }
  get waiting(): number {
    return this.#queue.length;
  }

  /** Takes a slot at once; false when one must wait. */
  tryTake(limit: number): boolean {
    if (this.#running >= limit || this.#queue.length > 0) return false;
    this.#running++;
    return true;
  }

  /**
   * Takes a slot, waiting for it. Give it back with {@link release}, exactly once.
   * @throws GatewayError overloaded when the queue is full or the wait too long; the signal's reason when it aborts
   */
  take(request: SlotRequest): Promise<void> {
    if (request.signal.aborted) return Promise.reject(asError(request.signal.reason));
    if (this.tryTake(request.limit)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer);
        request.signal.removeEventListener('abort', leave);
      };
      const waiter: Waiter = {
        rank: this.clock.monotonic() - request.priority * AGEING_MS,
        limit: request.limit,
        backoff: request.backoff,
        admit: () => {
          end();
          resolve();
        },
        refuse: (error) => {
          end();
          reject(error);
        },
      };
      const leave = (): void => {
        this.#remove(waiter);
        waiter.refuse(asError(request.signal.reason));
      };
      const timer = setTimeout(() => {
        this.#remove(waiter);
        waiter.refuse(this.#overloaded('has had no free slot for too long', request.backoff));
      }, request.maxWaitMs);
      request.signal.addEventListener('abort', leave, { once: true });
      this.#enqueue(waiter, request);
    });
  }

  release(): void {
    this.#running--;
    const next = this.#queue[0];
    if (next === undefined || this.#running >= next.limit) return;
    this.#queue.shift();
    this.#running++;
    next.admit();
  }

  #enqueue(waiter: Waiter, request: SlotRequest): void {
    let at = this.#queue.length;
    while (at > 0 && (this.#queue[at - 1]?.rank ?? 0) > waiter.rank) at--;
    this.#queue.splice(at, 0, waiter);
    if (this.#queue.length > request.maxWaiting) {
      const last = this.#queue.pop();
      last?.refuse(this.#overloaded('has too many calls waiting', last.backoff));
    }
  }

  #remove(waiter: Waiter): void {
    const at = this.#queue.indexOf(waiter);
    if (at !== -1) this.#queue.splice(at, 1);
  }

  #overloaded(why: string, backoff: BackOffBounds): GatewayError {
    return new GatewayError('overloaded', `The provider ${why}.`, {
      retryAfterMs: this.#backOff.next(backoff, this.clock.monotonic()),
      facts: { provider: this.provider },
    });
  }
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
