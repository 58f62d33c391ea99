/** Bits for each expected key: at four probes one absent key in four hundred looks present. */
const BITS_PER_KEY = 16;
const PROBES = 4;
const FEWEST_KEYS = 65_536;

/**
 * A Bloom filter: says for certain that a key was never added, or that it may have been. Keys cannot be taken out; who
 * removes them makes a new filter now and then.
 *
 * Loaded in worker threads too, from sources and from the build: imports nothing.
 */
export class KeyFilter {
  readonly #words: Uint32Array;
  #added = 0;

  /** @param words of another thread's filter, see {@link words} */
  constructor(words: Uint32Array = KeyFilter.wordsFor(0)) {
    this.#words = words;
  }

  /** An empty filter's words, for twice as many keys. */
  static wordsFor(keys: number): Uint32Array {
    const bits = Math.max(FEWEST_KEYS, keys * 2) * BITS_PER_KEY;
    return new Uint32Array(2 ** Math.ceil(Math.log2(bits / 32)));
  }

  /** The filter as it goes to another thread. */
  get words(): Uint32Array {
    return this.#words;
  }

  /** True when so much was added since it was made that absent keys begin to look present. */
  get isCrowded(): boolean {
    return this.#added > (this.#words.length * 32) / BITS_PER_KEY / 2;
  }

  add(key: string): void {
    this.#added++;
    const bits = this.#words.length * 32 - 1;
    const step = hash(key, 0x9747b28c) | 1;
    let at = hash(key, 0x811c9dc5);
    for (let i = 0; i < PROBES; i++) {
      const bit = (at & bits) >>> 0;
      this.#words[bit >>> 5] = (this.#words[bit >>> 5] ?? 0) | (1 << (bit & 31));
      at = (at + step) | 0;
    }
  }

  /** False only for keys that were never added. */
  has(key: string): boolean {
    const bits = this.#words.length * 32 - 1;
    const step = hash(key, 0x9747b28c) | 1;
    let at = hash(key, 0x811c9dc5);
    for (let i = 0; i < PROBES; i++) {
      const bit = (at & bits) >>> 0;
      if (((this.#words[bit >>> 5] ?? 0) & (1 << (bit & 31))) === 0) return false;
      at = (at + step) | 0;
    }
    return true;
  }
}

/** FNV-1a with the finish of MurmurHash3: neighbouring keys land far apart. */
function hash(text: string, seed: number): number {
  let h = seed;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
