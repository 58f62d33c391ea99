import type { Question } from './question.js';

const PLACES = 2 ** 14;

/**
 * Which questions were stored lately, but for their numbers. Those with other numbers are never searched for, and still a miss
 * tells that there was one. A table of fixed size: a newer question takes an older one's place, and nothing is allocated.
 */
export class NumberTwins {
  readonly #frames = new Uint32Array(PLACES);
  readonly #numbers = new Uint32Array(PLACES);

  note({ frame, fingerprint }: Question): void {
    if (frame === undefined) return;
    this.#frames[frame % PLACES] = frame;
    this.#numbers[frame % PLACES] = numbersIn(fingerprint);
  }

  /** The same question is known with other numbers. */
  has({ frame, fingerprint }: Question): boolean {
    if (frame === undefined || this.#frames[frame % PLACES] !== frame) return false;
    return this.#numbers[frame % PLACES] !== numbersIn(fingerprint);
  }

  clear(): void {
    this.#frames.fill(0);
  }
}

/** Of two questions of one frame, fingerprints differ by the numbers alone. */
function numbersIn(fingerprint: string): number {
  return Number.parseInt(fingerprint.slice(0, 8), 16);
}
