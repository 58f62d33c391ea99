/** What an administrator or a rollback has said of a flag. */
export interface FlagRecord {
  readonly name: string;
  readonly enabled: boolean;
  /** Share of calls that have the flag while it is under observation; undefined when it is not. */
  readonly observation?: FlagBounds;
  /** Why it is so: `admin`, or what the rollback found. */
  readonly reason: string;
  /** Epoch ms. */
  readonly updatedAt: number;
}

export interface FlagBounds {
  /** Share of calls that have the flag, the rest being what it is compared with. */
  readonly share: number;
  /** Roll back when p95 with the flag is above p95 without by more than this ratio (0.2 = 20 %). */
  readonly p95Bound: number;
  /** Roll back when the error rate with the flag is above that without by more than this difference. */
  readonly errorBound: number;
  /** Calls on each side before anything is judged. */
  readonly minCalls: number;
}

/** Keeps flags beyond a restart and for all replicas. Bound to the database; in memory where there is none. */
export abstract class FlagStore {
  abstract load(): Promise<FlagRecord[]>;
  abstract save(record: FlagRecord): Promise<void>;
}

export class MemoryFlagStore extends FlagStore {
  readonly #records = new Map<string, FlagRecord>();
  load(): Promise<FlagRecord[]> {
    return Promise.resolve([...this.#records.values()]);
  }
  save(record: FlagRecord): Promise<void> {
    this.#records.set(record.name, record);
    return Promise.resolve();
  }
}
