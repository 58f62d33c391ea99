/** So many clearings are told apart; who has been under way longer is treated as cleared. */
const KEPT = 64;

interface Clearing {
  readonly at: number;
  readonly what: RegExp | string | undefined;
}

/**
 * What was cleared lately. An answer that was asked for, or read, before a clearing must not come back after it: whoever
 * stores asks here first.
 */
export class Clearings {
  #count = 0;
  readonly #recent: Clearing[] = [];

  /** The number of clearings so far: the generation of what is asked for now. */
  get generation(): number {
    return this.#count;
  }

  /** @param what a pattern over entry keys, or one key; everything without it */
  note(what: RegExp | string | undefined): void {
    this.#recent.push({ at: ++this.#count, what });
    if (this.#recent.length > KEPT) this.#recent.shift();
  }

  /** Whether the key was cleared after `generation`. */
  hit(key: string, generation: number): boolean {
    if (generation === this.#count) return false;
    if (this.#count - generation > this.#recent.length) return true;
    return this.#recent.some(({ at, what }) => at > generation && covers(what, key));
  }
}

function covers(what: RegExp | string | undefined, key: string): boolean {
  return what === undefined || (typeof what === 'string' ? what === key : what.test(key));
}
