/**
 * A map that remembers what was used last: of the keys set or found since, the last `least` at least and twice as many entries at
 * most. It forgets a generation at a time; a key in use costs one look-up and makes nothing, where an LRU list keeps its order anew.
 */
export class GenerationMap<V extends object | string | number> {
  #young = new Map<string, V>();
  #old = new Map<string, V>();

  constructor(private readonly least: number) {}

  get(key: string): V | undefined {
    return this.#young.get(key) ?? this.#rescue(key);
  }

  /** Without counting as use. */
  peek(key: string): V | undefined {
    return this.#young.get(key) ?? this.#old.get(key);
  }

  set(key: string, value: V): void {
    if (this.#young.size >= this.least && !this.#young.has(key)) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }

  /** Those used longest ago first, by generation. */
  *values(): Generator<V> {
    for (const [key, value] of this.#old) if (!this.#young.has(key)) yield value;
    yield* this.#young.values();
  }

  #rescue(key: string): V | undefined {
    const value = this.#old.get(key);
    if (value !== undefined) this.set(key, value);
    return value;
  }
}
