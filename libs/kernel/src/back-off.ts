/** Milliseconds. */
export interface BackOffBounds {
  readonly min: number;
  readonly max: number;
}

/** How long refused calls are told to stay away: doubling while refusals go on, with jitter, within bounds. */
export class BackOff {
  #level = 0;
  #lastMs = 0;

  constructor(private readonly random: () => number = Math.random) {}

  /** Milliseconds for the next refusal. */
  next(bounds: BackOffBounds, nowMs: number): number {
    const current = Math.min(bounds.max, bounds.min * 2 ** this.#level);
    // Nobody was refused for as long as we asked them to wait: the pressure is gone.
    if (nowMs - this.#lastMs > 2 * current) this.#level = 0;
    // One step per interval: a hundred refusals at once are one event.
    else if (nowMs - this.#lastMs >= current / 2) this.#level = Math.min(this.#level + 1, 10);
    if (this.#level === 0 || nowMs - this.#lastMs >= current / 2) this.#lastMs = nowMs;
    const base = Math.min(bounds.max, bounds.min * 2 ** this.#level);
    return Math.round(
      Math.min(bounds.max, Math.max(bounds.min, base * (0.75 + this.random() / 2))),
    );
  }
}
