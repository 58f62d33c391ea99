import { setImmediate as breathe } from 'node:timers/promises';
import {
  Injectable,
  Optional,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { ConfigStore } from '@sluice/config';
import { Clock, uuidv7 } from '@sluice/kernel';
import { Logger } from '@sluice/observability';
import { RoutingLearning } from '../learning/routing.learning.js';
import { PathMonitor } from '../performance/path.monitor.js';
import { NoReplicas, ReplicaStore, type Upgrade, type WindowRow } from './replica.store.js';

/** What one replica learns, the others know after at most two of these. */
const EXCHANGE_MS = 5000;
/** Rows whose transaction ended after a younger one's are met again. */
const OVERLAP_MS = 30_000;
const FORGET_MS = 60_000;
/** The monitor's hour with its last slot. */
const LEAST_KEPT_MS = 75 * 60_000;

/** Tells other replicas what was learnt here and takes what they learnt. A restart begins with what is in the store. */
@Injectable()
export class ReplicaExchange implements OnApplicationBootstrap, OnApplicationShutdown {
  /** Of this process's life: what an earlier one counted is another replica's. */
  readonly #replica: string;
  readonly #store: ReplicaStore;
  /** Told again until the store has taken it. */
  #rows = new Map<string, WindowRow>();
  #upgrades: Upgrade[] = [];
  #since = 0;
  #forgotAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(
    private readonly config: ConfigStore,
    private readonly clock: Clock,
    private readonly logger: Logger,
    private readonly learning: RoutingLearning,
    private readonly monitor: PathMonitor,
    @Optional() store?: ReplicaStore,
  ) {
    this.#store = store ?? new NoReplicas();
    this.#replica = uuidv7(clock.now());
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.exchange();
    this.#timer = setInterval(() => void this.exchange(), EXCHANGE_MS).unref();
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.#timer);
    await this.exchange();
  }

  /** One at a time. Never rejects: while the store is away this replica goes by what it knows. */
  exchange(): Promise<void> {
    this.#running = this.#running.then(async () => {
      try {
        await this.#tell();
        await this.#listen();
        // Also when no call comes any more: what was slow is over then.
        this.monitor.check();
        await this.#forget();
      } catch (error) {
        this.logger.warn(
          { err: error },
          'what was learnt could not be exchanged with the replicas',
        );
      }
    });
    return this.#running;
  }

  async #tell(): Promise<void> {
    this.#upgrades.push(...this.learning.takeUpgrades());
    for (const upgrade of [...this.#upgrades]) {
      await this.#store.upgrade(upgrade);
      this.#upgrades = this.#upgrades.filter((other) => other !== upgrade);
    }
    this.#keep(this.learning.ledger.takeChanged());
    this.#keep(this.learning.thresholds.evidence.takeChanged());
    for (const rows of this.monitor.takeChanged()) {
      this.#keep(rows);
      // A histogram takes a tenth of a millisecond to write: calls go in between.
      await breathe();
    }
    if (this.#rows.size === 0) return;
    const told = this.#rows;
    this.#rows = new Map();
    try {
      await this.#store.push(this.#replica, [...told.values()]);
    } catch (error) {
      this.#rows = new Map([...told, ...this.#rows]);
      throw error;
    }
  }

  #keep(rows: readonly WindowRow[]): void {
    for (const row of rows) this.#rows.set(`${row.subject} ${row.start}`, row);
  }

  async #listen(): Promise<void> {
    const { rows, upgrades, at } = await this.#store.pull(this.#replica, this.#since);
    for (const upgrade of upgrades) this.learning.ledger.adoptUpgrade(upgrade);
    for (const row of rows) {
      this.learning.ledger.adopt(row);
      this.learning.thresholds.evidence.adopt(row);
      this.monitor.adopt(row);
      if (row.latency !== undefined) await breathe();
    }
    this.#since = Math.max(0, at - OVERLAP_MS);
  }

  async #forget(): Promise<void> {
    const now = this.clock.now();
    if (now - this.#forgotAt < FORGET_MS) return;
    this.#forgotAt = now;
    const { window } = this.config.current.sluice.routing.upgrade;
    await this.#store.forget(now - Math.max(LEAST_KEPT_MS, window));
  }
}
