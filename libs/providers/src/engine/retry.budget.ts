import type { Clock } from '@sluice/kernel';

/** As `routing.retryBudget` of the configuration has it. */
export interface RetryBudgetOptions {
  /** Retries allowed per first try. */
  readonly ratio: number;
  /** Retries allowed besides, so that quiet providers are retried, too. */
  readonly perSecond: number;
}

/** First tries whose share may be saved up: a long good time must not pay for a storm. */
const SAVED_TRIES = 10;

/** Five times 0.2 is a little less than 1 in binary. */
const ONE = 1 - 1e-9;

/** How often one provider may be tried again: retries must not double the load of a provider that is going down. */
export class RetryBudget {
  #saved = 0;
  #steady: number;
  #at: number;

  constructor(
    private readonly clock: Clock,
    private readonly options: () => RetryBudgetOptions,
  ) {
    this.#steady = options().perSecond;
    this.#at = clock.monotonic();
  }

  /** A call tries this provider for the first time. */
  firstTry(): void {
    const { ratio } = this.options();
    this.#saved = Math.min(this.#saved + ratio, ratio * SAVED_TRIES);
  }

  /** Asks for one more try. */
  take(): boolean {
    const { perSecond } = this.options();
    const now = this.clock.monotonic();
    this.#steady = Math.min(perSecond, this.#steady + ((now - this.#at) / 1000) * perSecond);
    this.#at = now;
    if (this.#steady >= ONE) this.#steady--;
    else if (this.#saved >= ONE) this.#saved--;
    else return false;
    return true;
  }
}
