const KEPT = 128;
/** Weight of the newest value. */
const ALPHA = 0.2;

/** Recent latencies: a moving mean that follows quickly, and the 95th percentile of the last ones. */
export class LatencySample {
  /** The last ones as they came, in a ring. */
  readonly #values = new Float64Array(KEPT);
  /** The same by size. Kept so with each value: every call asks for the percentile, and sorting takes 5 µs. */
  readonly #sorted = new Float64Array(KEPT);
  #count = 0;
  #mean = 0;

  add(ms: number): void {
    this.#mean = this.#count === 0 ? ms : this.#mean + ALPHA * (ms - this.#mean);
    const at = this.#count % KEPT;
    if (this.#count >= KEPT) this.#takeOut(this.#values[at] ?? 0);
    this.#putIn(ms, Math.min(this.#count, KEPT - 1));
    this.#values[at] = ms;
    this.#count++;
  }

  /** Undefined before the first value. */
  get ewmaMs(): number | undefined {
    return this.#count === 0 ? undefined : this.#mean;
  }

  get p95Ms(): number | undefined {
    if (this.#count === 0) return undefined;
    return this.#sorted[Math.ceil(Math.min(this.#count, KEPT) * 0.95) - 1];
  }

  #takeOut(ms: number): void {
    const place = this.#placeOf(ms, KEPT);
    this.#sorted.copyWithin(place, place + 1);
  }

  /** @param length of what is sorted by now */
  #putIn(ms: number, length: number): void {
    const place = this.#placeOf(ms, length);
    this.#sorted.copyWithin(place + 1, place, length);
    this.#sorted[place] = ms;
  }

  /** Of the first value that is not smaller. */
  #placeOf(ms: number, length: number): number {
    let from = 0;
    let to = length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if ((this.#sorted[middle] ?? 0) < ms) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}
