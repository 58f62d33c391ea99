/** Wall-clock and monotonic time. Injected, so that tests step it. */
export abstract class Clock {
  /** Milliseconds since the Unix epoch (UTC). May step when the machine's clock is set. */
  abstract now(): number;
  /** Milliseconds from an arbitrary start; never goes back. For durations. */
  abstract monotonic(): number;
}

export class SystemClock extends Clock {
  now(): number {
    return Date.now();
  }
  monotonic(): number {
    return performance.now();
  }
}

/** A clock that stands still until it is told to move. */
export class ManualClock extends Clock {
  #now: number;
  #mono = 0;
  constructor(start = Date.UTC(2026, 0, 1)) {
    super();
    this.#now = start;
  }
  now(): number {
    return this.#now;
  }
  monotonic(): number {
    return this.#mono;
  }
  advance(ms: number): void {
    this.#now += ms;
    this.#mono += ms;
  }
  /** Sets the wall clock alone, as an operator or NTP would. */
  set(epochMs: number): void {
    this.#now = epochMs;
  }
}
