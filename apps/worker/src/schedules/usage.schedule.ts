import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Cron } from '@nestjs/schedule';
import { DeferredWork, Logger } from '@sluice/observability';
import { UsageUpkeep } from '@sluice/usage';

const UTC = { timeZone: 'UTC' } as const;

/** When the upkeep of usage runs. Every process may have this schedule: each job runs in one of them. */
@Injectable()
export class UsageSchedule implements OnApplicationBootstrap {
  constructor(
    private readonly upkeep: UsageUpkeep,
    private readonly deferred: DeferredWork,
    private readonly logger: Logger,
  ) {}

  /** A gateway that was off for weeks needs its partitions before the next full hour. */
  onApplicationBootstrap(): void {
    this.deferred.run('usage-partitions', () => this.upkeep.partitions());
  }

  @Cron('0 7 * * * *', UTC)
  partitions(): Promise<void> {
    return this.#run('usage-partitions', () => this.upkeep.partitions());
  }

  @Cron('0 17 * * * *', UTC)
  erasures(): Promise<void> {
    return this.#run('usage-erasures', () => this.upkeep.erasures());
  }

  @Cron('0 10 3 * * *', UTC)
  retention(): Promise<void> {
    return this.#run('usage-retention', () => this.upkeep.retention());
  }

  @Cron('0 40 3 * * *', UTC)
  reconciliation(): Promise<void> {
    return this.#run('usage-reconciliation', () => this.upkeep.reconciliation());
  }

  /** A job that fails now, because the database is away, runs again at its next time. */
  async #run(job: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.logger.error({ job, err: error }, 'scheduled job failed');
    }
  }
}
