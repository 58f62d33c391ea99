import type { Clock } from '@sluice/kernel';

export type BreakerState = 'closed' | 'half-open' | 'open';

/** Milliseconds and ratios, as `routing.breaker` of the configuration has them. */
export interface BreakerOptions {
  readonly window: number;
  readonly minCalls: number;
  readonly failureRate: number;
  readonly reset: number;
  readonly maxReset: number;
}

/** How a call went, as far as the upstream's health is concerned. A 4xx and a caller who leaves say nothing. */
export type HealthOutcome = 'success' | 'failure' | 'neutral';

/** Leave to call. Its outcome is told when the call has ended, which for a stream is the end of the stream. */
export interface Permit {
  /** Only the first telling counts. */
  end(outcome: HealthOutcome): void;
}

const SLOTS = 30;

/**
 * Opens when enough of the recent calls failed, lets exactly one probe through after a while, and closes when the
 * probe succeeds. Each failed probe doubles the wait, up to a cap.
 */
export class CircuitBreaker {
  readonly #successes = new Uint32Array(SLOTS);
  readonly #failures = new Uint32Array(SLOTS);
  #slot = -1;
  #state: BreakerState = 'closed';
  #openUntil = 0;
  #resetMs = 0;
  #probing = false;
  /** Grows with each change of state: outcomes of calls from an earlier one no longer count. */
  #generation = 0;

  constructor(
    private readonly clock: Clock,
    private readonly options: () => BreakerOptions,
  ) {}

  get state(): BreakerState {
    return this.#state === 'open' && this.clock.monotonic() >= this.#openUntil
      ? 'half-open'
      : this.#state;
  }

  /** Milliseconds until the next call may be let through; 0 when one may now. */
  get waitMs(): number {
    if (this.#state === 'closed') return 0;
    const wait = Math.max(0, this.#openUntil - this.clock.monotonic());
    return wait === 0 && this.#probing ? this.options().reset : wait;
  }

  /** Share of recent calls that succeeded, and how many there were. */
  get recent(): { readonly calls: number; readonly successRate: number } {
    this.#advance();
    const good = sum(this.#successes);
    const calls = good + sum(this.#failures);
    return { calls, successRate: calls === 0 ? 1 : good / calls };
  }

  /** Undefined when the call must not be made. */
  enter(): Permit | undefined {
    if (this.#state !== 'closed') {
      if (this.#probing || this.clock.monotonic() < this.#openUntil) return undefined;
      this.#state = 'half-open';
      this.#probing = true;
      this.#generation++;
    }
    const generation = this.#generation;
    let told = false;
    return {
      end: (outcome) => {
        if (told) return;
        told = true;
        if (generation === this.#generation) this.#record(outcome);
      },
    };
  }

  #record(outcome: HealthOutcome): void {
    if (this.#state === 'half-open') {
      this.#probing = false;
      if (outcome === 'failure') this.#open(Math.min(this.#resetMs * 2, this.options().maxReset));
      else if (outcome === 'success') this.#close();
      return;
    }
    if (outcome === 'neutral') return;
    this.#advance();
    const at = this.#slot % SLOTS;
    const counts = outcome === 'success' ? this.#successes : this.#failures;
    counts[at] = (counts[at] ?? 0) + 1;
    if (outcome === 'success') return;
    const { minCalls, failureRate, reset } = this.options();
    const { calls, successRate } = this.recent;
    if (calls >= minCalls && 1 - successRate >= failureRate) this.#open(reset);
  }

  #open(resetMs: number): void {
    this.#state = 'open';
    this.#resetMs = resetMs;
    this.#openUntil = this.clock.monotonic() + resetMs;
    this.#generation++;
  }

  #close(): void {
    this.#state = 'closed';
    this.#successes.fill(0);
    this.#failures.fill(0);
    this.#generation++;
  }

  /** Empties the slots that have left the window. */
  #advance(): void {
    const now = Math.floor(this.clock.monotonic() / (this.options().window / SLOTS));
    const behind = Math.min(SLOTS, now - this.#slot);
    for (let i = 1; i <= behind; i++) {
      this.#successes[(this.#slot + i + SLOTS) % SLOTS] = 0;
      this.#failures[(this.#slot + i + SLOTS) % SLOTS] = 0;
    }
    // Slots are numbered by time, so that skipping ahead clears those in between.
    if (behind === SLOTS) {
      this.#successes.fill(0);
      this.#failures.fill(0);
    }
    this.#slot = now;
  }
}

function sum(counts: Uint32Array): number {
  let total = 0;
  for (const count of counts) total += count;
  return total;
}
