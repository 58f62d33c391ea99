import { GatewayError } from '@sluice/kernel';
import type { Clock, StopSignal } from '@sluice/kernel';

export interface WaitingRoomOptions {
  readonly maxWaiting: number;
  readonly maxWaitMs: number;
}

export interface Waiter {
  /** Higher goes first. */
  readonly priority: number;
  readonly signal: StopSignal;
  /** Resolves to 'wait' while there is still no room; else the wait is over, also when it throws. */
  readonly attempt: () => Promise<'done' | 'wait'>;
}

interface Place extends Waiter {
  readonly since: number;
  readonly resolve: (outcome: 'done' | 'late') => void;
  readonly reject: (error: unknown) => void;
}

/** Waiting this long counts as much as one step of priority, so that no tier starves. */
const AGE_STEP_MS = 3000;
/** Other replicas free room without telling us. */
const POLL_MS = 250;
const ATTEMPTS_PER_WAKE = 32;

/** A bounded queue for calls that others' holds keep out. Ordered by priority and age; a caller who leaves frees the place. */
export class WaitingRoom {
  readonly #places = new Set<Place>();
  #timer: NodeJS.Timeout | undefined;
  #waking = false;
  #wakeAgain = false;

  constructor(private readonly clock: Clock) {}

  get size(): number {
    return this.#places.size;
  }

  /**
   * 'full' at once when there is no place, 'late' after the longest wait, 'done' after a successful attempt.
   * @throws what the attempt throws; GatewayError client_closed when the caller leaves
   */
  async wait(waiter: Waiter, options: WaitingRoomOptions): Promise<'done' | 'late' | 'full'> {
    if (this.#places.size >= options.maxWaiting || options.maxWaitMs <= 0) return 'full';
    let place: Place | undefined;
    let timer: NodeJS.Timeout | undefined;
    const left = () =>
      place?.reject(new GatewayError('client_closed', 'The caller left while waiting.'));
    try {
      return await new Promise<'done' | 'late'>((resolve, reject) => {
        place = { ...waiter, since: this.clock.monotonic(), resolve, reject };
        this.#places.add(place);
        timer = setTimeout(() => resolve('late'), options.maxWaitMs);
        if (waiter.signal.aborted) left();
        waiter.signal.addEventListener('abort', left, { once: true });
        this.#timer ??= setInterval(() => this.wake(), POLL_MS);
      });
    } finally {
      clearTimeout(timer);
      waiter.signal.removeEventListener('abort', left);
      if (place !== undefined) this.#places.delete(place);
      if (this.#places.size === 0) {
        clearInterval(this.#timer);
        this.#timer = undefined;
      }
    }
  }

  /** Something may have come free. */
  wake(): void {
    if (this.#places.size === 0) return;
    if (this.#waking) {
      this.#wakeAgain = true;
      return;
    }
    this.#waking = true;
    void this.#admit().finally(() => {
      this.#waking = false;
      if (!this.#wakeAgain) return;
      this.#wakeAgain = false;
      this.wake();
    });
  }

  async #admit(): Promise<void> {
    const now = this.clock.monotonic();
    const rank = (place: Place) => place.priority + (now - place.since) / AGE_STEP_MS;
    const order = [...this.#places].sort((a, b) => rank(b) - rank(a) || a.since - b.since);
    for (const place of order.slice(0, ATTEMPTS_PER_WAKE)) {
      if (!this.#places.has(place)) continue;
      try {
        if ((await place.attempt()) === 'wait') continue;
        this.#places.delete(place);
        place.resolve('done');
      } catch (error) {
        this.#places.delete(place);
        place.reject(error);
      }
    }
  }
}
