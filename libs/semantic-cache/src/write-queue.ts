import type { DeferredWork } from '@sluice/observability';

export interface WriteQueueOptions<Item> {
  readonly name: string;
  readonly deferred: DeferredWork;
  /** Stores a batch. A failure loses it, and is logged by DeferredWork's logger. */
  readonly write: (batch: readonly Item[]) => Promise<void>;
  readonly onDropped: (items: number) => void;
  /** Milliseconds that the first item of a batch waits for others. */
  readonly everyMs?: number;
  /** So many items are not kept waiting. */
  readonly batch?: number;
  /** Items beyond this are dropped: a slow store must not fill the memory. */
  readonly limit?: number;
}

/** Collects what is to be stored, so that the store is bothered once for many. The newest item of a key replaces the others. */
export class WriteQueue<Item extends { readonly key: string }> {
  #waiting = new Map<string, Item>();
  #running: Promise<void> | undefined;
  #wake: (() => void) | undefined;
  #hurried = false;
  readonly #options: Required<WriteQueueOptions<Item>>;

  constructor(options: WriteQueueOptions<Item>) {
    this.#options = { everyMs: 50, batch: 64, limit: 5000, ...options };
  }

  get size(): number {
    return this.#waiting.size;
  }

  add(item: Item): void {
    const { batch, limit, onDropped } = this.#options;
    if (this.#waiting.size >= limit && !this.#waiting.has(item.key)) {
      onDropped(1);
      return;
    }
    this.#waiting.set(item.key, item);
    if (this.#waiting.size >= batch) this.#wake?.();
    if (this.#running === undefined) this.#start();
  }

  /** Takes back what has not been written yet. */
  remove(isGone: (key: string) => boolean): void {
    for (const key of [...this.#waiting.keys()]) if (isGone(key)) this.#waiting.delete(key);
  }

  /** Resolves when everything that was added before is written. */
  async flush(): Promise<void> {
    if (this.#running === undefined) return;
    this.#hurried = true;
    this.#wake?.();
    await this.#running;
  }

  #start(): void {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const { name, deferred, onDropped } = this.#options;
    const started = deferred.run(name, async () => {
      try {
        await this.#drain();
      } finally {
        this.#running = undefined;
        this.#hurried = false;
        resolve(undefined);
        // What a failed batch has left behind.
        if (this.#waiting.size > 0) this.#start();
      }
    });
    if (started) {
      this.#running = promise;
      return;
    }
    onDropped(this.#waiting.size);
    this.#waiting.clear();
  }

  async #drain(): Promise<void> {
    const { batch, write } = this.#options;
    while (this.#waiting.size > 0) {
      if (this.#waiting.size < batch && !this.#hurried) await this.#pause();
      const taken: Item[] = [];
      for (const [key, item] of this.#waiting) {
        this.#waiting.delete(key);
        if (taken.push(item) === batch) break;
      }
      if (taken.length > 0) await write(taken);
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, this.#options.everyMs);
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
    });
  }
}
