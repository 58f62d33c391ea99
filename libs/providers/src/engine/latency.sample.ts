const KEPT = 128;
/** Weight of the newest value. */
const ALPHA = 0.2;

/** Recent latencies: a moving mean that follows quickly, and the 95th percentile of the last ones. */
export class LatencySample {
  readonly #values = new Float64Array(KEPT);
  #count = 0;
  #mean = 0;
  #p95: number | undefined;

  add(ms: number): void {
    this.#mean = this.#count === 0 ? ms : this.#mean + ALPHA * (ms - this.#mean);
    this.#values[this.#count % KEPT] = ms;
    this.#count++;
    this.#p95 = undefined;
  }

  /** Undefined before the first value. */
  get ewmaMs(): number | undefined {
    return this.#count === 0 ? undefined : this.#mean;
  }

  get p95Ms(): number | undefined {
    if (this.#count === 0) return undefined;
    if (this.#p95 === undefined) {
      const sorted = this.#values.slice(0, Math.min(this.#count, KEPT)).sort();
      this.#p95 = sorted[Math.ceil(sorted.length * 0.95) - 1];
    }
    return this.#p95;
  }
}
