import { Injectable } from '@nestjs/common';
import { ConfigStore } from '@sluice/config';
import { Database } from '@sluice/database';
import { Clock } from '@sluice/kernel';
import { Logger } from '@sluice/observability';
import { AgentStateRepository } from '../history/agent-state.repository.js';
import { HistoryRepository } from '../history/history.repository.js';
import { CallerErasure } from './caller.erasure.js';
import { underLock } from './job.lock.js';
import { PartitionKeeper } from './partition.keeper.js';
import { Reconciliation, type Difference } from './reconciliation.js';

const DAY_MS = 86_400_000;
const RECONCILED_DAYS = 3;
const PRUNE_BATCH = 5_000;

/** What has to be done from time to time. Each job runs in one process at a time, whoever comes first. */
@Injectable()
export class UsageUpkeep {
  readonly #partitions: PartitionKeeper;
  readonly #reconciliation: Reconciliation;
  readonly #history: HistoryRepository;
  readonly #states: AgentStateRepository;
  readonly #erasure: CallerErasure;

  constructor(
    private readonly database: Database,
    private readonly config: ConfigStore,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {
    this.#partitions = new PartitionKeeper(database.writer, clock);
    this.#reconciliation = new Reconciliation(database.writer);
    this.#history = new HistoryRepository(database.writer);
    this.#states = new AgentStateRepository(database.writer);
    this.#erasure = new CallerErasure(database.writer, clock);
  }

  /** Hourly. Weekly partitions for the next eight weeks. @returns the names of new ones */
  partitions(): Promise<readonly string[] | undefined> {
    return this.#locked('usage-partitions', async () => {
      const made = await this.#partitions.ensure();
      if (made.length > 0) this.logger.info({ partitions: made }, 'usage partitions made');
      return made;
    });
  }

  /** Daily. Forgets events and history older than the configured retention. @returns dropped partitions */
  retention(): Promise<readonly string[] | undefined> {
    const { retention, history } = this.config.current.sluice.usage;
    return this.#locked('usage-retention', async () => {
      const now = this.clock.now();
      const dropped = await this.#partitions.drop(new Date(now - retention));
      const before = new Date(now - history.retention);
      let pruned = 0;
      for (let batch = PRUNE_BATCH; batch === PRUNE_BATCH; pruned += batch) {
        batch = await this.#history.prune(before, PRUNE_BATCH);
      }
      const states = await this.#states.prune(before);
      this.logger.info({ dropped, history: pruned, states }, 'usage retention applied');
      return dropped;
    });
  }

  /** Daily. Compares events and rollups of the last days and adds up anew what differs. */
  reconciliation(): Promise<readonly Difference[] | undefined> {
    return this.#locked('usage-reconciliation', async () => {
      const to = new Date(this.clock.now());
      const from = new Date(to.getTime() - RECONCILED_DAYS * DAY_MS);
      const differences = await this.#reconciliation.run({ from, to });
      if (differences.length > 0)
        this.logger.error({ differences }, 'usage rollups differed from events');
      return differences;
    });
  }

  /** Hourly. Names of erased callers in events that arrived after the erasure. @returns events changed */
  erasures(): Promise<number | undefined> {
    return this.#locked('usage-erasures', () => this.#erasure.repeat());
  }

  #locked<T>(job: string, work: () => Promise<T>): Promise<T | undefined> {
    return underLock(this.database.requests, job, work);
  }
}
