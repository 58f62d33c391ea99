import { setImmediate as nextTurn } from 'node:timers/promises';

/**
 * Items that are worked on a few in a turn of the event loop, in the order they came, so that what is asked meanwhile has its turn.
 *
 * Loaded in worker threads, from sources and from the build: imports Node's modules only.
 */
export class SlicedWork<K, V> {
  readonly #slice: number;
  readonly #work: (key: K, value: V) => void;
  readonly #waiting = new Map<K, V>();
  #running: Promise<void> | undefined;

  constructor(slice: number, work: (key: K, value: V) => void) {
    this.#slice = slice;
    this.#work = work;
  }

  add(key: K, value: V): void {
    this.#waiting.set(key, value);
  }

  /** What is not to be worked on any more. */
  drop(key: K): void {
    this.#waiting.delete(key);
  }

  clear(): void {
    this.#waiting.clear();
  }

  /** Resolves when nothing waits. The first slice is worked on before it returns. */
  run(): Promise<void> {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #run(): Promise<void> {
    while (this.#waiting.size > 0) {
      let left = this.#slice;
      for (const [key, value] of this.#waiting) {
        this.#waiting.delete(key);
        this.#work(key, value);
        if (--left === 0) break;
      }
      if (this.#waiting.size > 0) await nextTurn();
    }
  }
}
