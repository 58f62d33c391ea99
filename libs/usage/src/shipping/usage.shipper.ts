import { setTimeout as delay } from 'node:timers/promises';
import type { Queryable } from '@sluice/database';
import { insertEvents } from '../persistence/usage.writer.js';
import type { UsageSpool } from '../spool/usage.spool.js';

const BATCH = 500;
const LINGER_MS = 100;
const RETRY_MS = { first: 100, most: 5000 };

export interface UsageShipperOptions {
  readonly spool: UsageSpool;
  readonly db: Queryable;
  /** Told how many new rows a batch brought. */
  readonly onShipped: (rows: number) => void;
  /** Told how many calls of a dead process were billed as expected, because nothing is known of their end. */
  readonly onRecovered: (rows: number) => void;
  /** Told each failed try. The events stay in the spool. */
  readonly onFault: (error: unknown) => void;
  /** Must keep, durably, an event that the database refuses for its content, and tell the operator. */
  readonly onRejected: (payload: string, error: unknown) => Promise<void>;
  readonly lingerMs?: number;
}

/** Moves events from the spool to Postgres: batches of up to 500, at the latest after 100 ms. */
export class UsageShipper {
  readonly #options: UsageShipperOptions;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  /** Set while the loop is idle: looks whether there is reason to go on. */
  #look: (() => void) | undefined;
  #draining = false;

  constructor(options: UsageShipperOptions) {
    this.#options = options;
    options.spool.onArrival(() => this.#look?.());
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Ships all that is in the spool, for at most `timeoutMs`, then stops. True when nothing is left. */
  async close(timeoutMs: number): Promise<boolean> {
    this.#draining = true;
    this.#look?.();
    const deadline = setTimeout(() => {
      this.#stop.abort();
      this.#look?.();
    }, timeoutMs);
    await this.#running;
    clearTimeout(deadline);
    return this.#options.spool.bytes === 0;
  }

  async #run(): Promise<void> {
    for (let wait = RETRY_MS.first; !this.#stop.signal.aborted;) {
      try {
        const more = await this.#shipOne();
        wait = RETRY_MS.first;
        if (more) continue;
        if (this.#draining) return;
        await this.#idle();
      } catch (error) {
        this.#options.onFault(error);
        await delay(wait, undefined, { signal: this.#stop.signal }).catch(() => undefined);
        wait = Math.min(wait * 2, RETRY_MS.most);
      }
    }
  }

  /** @returns whether there may be more at once. */
  async #shipOne(): Promise<boolean> {
    const batch = await this.#options.spool.next(BATCH);
    if (batch === undefined) return false;
    const { onShipped, onRecovered } = this.#options;
    await this.#insert(batch.payloads, batch.expected ? onRecovered : onShipped);
    await batch.done();
    return this.#draining || batch.payloads.length === BATCH || this.#options.spool.unread >= BATCH;
  }

  async #insert(payloads: readonly string[], onInserted: (rows: number) => void): Promise<void> {
    try {
      onInserted(await insertEvents(this.#options.db, payloads));
    } catch (error) {
      if (!isDataError(error)) throw error;
      const [payload] = payloads;
      if (payloads.length > 1) {
        // Halving finds the one event that Postgres refuses without giving up its neighbours.
        const middle = payloads.length >> 1;
        await this.#insert(payloads.slice(0, middle), onInserted);
        await this.#insert(payloads.slice(middle), onInserted);
      } else if (payload !== undefined) {
        await this.#options.onRejected(payload, error);
      }
    }
  }

  /** Waits for a full batch, or for the linger time after the first event. */
  async #idle(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const { spool } = this.#options;
    let timer: NodeJS.Timeout | undefined;
    const go = () => resolve(undefined);
    this.#look = () => {
      if (this.#draining || spool.unread >= BATCH) go();
      // Adopted events have waited long enough; they are not among the unread.
      else if (spool.left > 0 && spool.unread === 0) go();
      else if (spool.left > 0) timer ??= setTimeout(go, this.#options.lingerMs ?? LINGER_MS);
    };
    this.#look();
    await promise;
    this.#look = undefined;
    clearTimeout(timer);
  }
}

/** SQLSTATE classes 22 (data exception) and 23 (constraint): trying again cannot help. */
function isDataError(error: unknown): boolean {
  const { code } = error as { readonly code?: unknown };
  return typeof code === 'string' && /^2[23]/.test(code);
}
