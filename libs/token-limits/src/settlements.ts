import type { Logger } from '@sluice/observability';
import { RedisUnavailable, type RedisConnection } from '@sluice/redis';
import type { Departure } from './departures/departure.log.js';
import type { Share, SpendLedger, Standing } from './ledger/spend.ledger.js';

/** The end of a reservation. */
export interface Settlement {
  readonly id: string;
  readonly ledger: SpendLedger;
  readonly actual: readonly Share[];
  /** What to charge when the ledger has forgotten the reservation. */
  readonly lost: readonly Share[];
  readonly departure?: Departure | undefined;
}

const TOGETHER = 100;

/** Ends reservations, each at last: what Redis cannot take now is kept and repeated. */
export class Settlements {
  #waiting: Settlement[] = [];
  #flushing: Promise<void> | undefined;

  constructor(
    private readonly redis: RedisConnection,
    private readonly logger: Logger,
    private readonly settled: (settlement: Settlement, standings: readonly Standing[]) => void,
  ) {}

  /** Settlements that wait for Redis to come back. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Never throws, and never waits for a ledger in process. */
  settle(settlement: Settlement): Promise<void> | undefined {
    const { id, ledger, actual, lost } = settlement;
    try {
      const step = ledger.settle(id, actual, lost);
      if (step instanceof Promise) return this.#settledLater(settlement, step);
      this.settled(settlement, step);
    } catch (error) {
      this.#failed(settlement, error);
    }
    return undefined;
  }

  /** Leaves a settlement to the next {@link flush}. */
  keep(settlement: Settlement): void {
    this.#waiting.push(settlement);
  }

  /** Settles what had to wait. */
  flush(): Promise<void> {
    this.#flushing ??= this.#flush().finally(() => {
      this.#flushing = undefined;
    });
    return this.#flushing;
  }

  async #settledLater(settlement: Settlement, step: Promise<readonly Standing[]>): Promise<void> {
    try {
      this.settled(settlement, await step);
    } catch (error) {
      this.#failed(settlement, error);
    }
  }

  #failed(settlement: Settlement, error: unknown): void {
    if (error instanceof RedisUnavailable) this.#waiting.push(settlement);
    // Nobody awaits the end of a call: thrown on, it would end the process.
    else this.logger.error({ err: error }, 'not settled: what was held will count as spent');
  }

  async #flush(): Promise<void> {
    while (this.#waiting.length > 0 && this.redis.available) {
      const batch = this.#waiting.splice(0, TOGETHER);
      await Promise.all(batch.map(async (settlement) => this.settle(settlement)));
    }
  }
}
