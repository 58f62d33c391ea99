/** A bounded map that forgets what was not touched for longest, and what was not touched for `idle`. */
export class RecencyMap<V> {
  readonly #entries = new Map<string, { value: V; touched: number }>();

  constructor(
    private readonly max: number,
    /** In the unit of the `now` that {@link touch} is given. */
    private readonly idle: number,
  ) {}

  get size(): number {
    return this.#entries.size;
  }

  entries(): readonly (readonly [string, V])[] {
    return [...this.#entries].map(([key, { value }]) => [key, value] as const);
  }

  peek(key: string): V | undefined {
    return this.#entries.get(key)?.value;
  }

  touch(key: string, now: number, make: () => V): V {
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = { value: make(), touched: now };
      this.#sweep(now);
    } else {
      this.#entries.delete(key);
      entry.touched = now;
    }
    this.#entries.set(key, entry);
    return entry.value;
  }

  /** Two steps for each new entry: the map empties as fast as it fills, without a timer and without a pause. */
  #sweep(now: number): void {
    let steps = 2;
    for (const [key, entry] of this.#entries) {
      if (this.#entries.size < this.max && now - entry.touched <= this.idle) return;
      this.#entries.delete(key);
      if (--steps === 0) return;
    }
  }
}
