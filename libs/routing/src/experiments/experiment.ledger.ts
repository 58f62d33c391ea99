import { Injectable, Optional, type OnApplicationShutdown } from '@nestjs/common';
import { DeferredWork, Logger } from '@sluice/observability';
import { compareArms, type ArmDelta, type ArmMetric, type ArmReport } from './arm.totals.js';
import { ExperimentSplitter } from './experiment.splitter.js';
import { ExperimentStore, MemoryExperimentStore, mergeDelta } from './experiment.store.js';

export interface ExperimentReport {
  readonly id: string;
  readonly split: Readonly<Record<string, number>>;
  readonly stickyBy: string;
  readonly arms: readonly ArmReport[];
}

export type ArmValues = Readonly<Partial<Record<ArmMetric, number>>>;

const FLUSH_MS = 5000;

/** Collects what arms did and reports on them. Sums wait in memory for at most five seconds, then go to the store. */
@Injectable()
export class ExperimentLedger implements OnApplicationShutdown {
  readonly #store: ExperimentStore;
  #pending = new Map<string, ArmDelta>();
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly splitter: ExperimentSplitter,
    private readonly deferred: DeferredWork,
    private readonly logger: Logger,
    @Optional() store?: ExperimentStore,
  ) {
    this.#store = store ?? new MemoryExperimentStore();
  }

  /** One call's values for its arm; what is not a finite number is left out. */
  record(experiment: string, arm: string, values: ArmValues): void {
    for (const [metric, value] of Object.entries(values) as [ArmMetric, number][]) {
      if (!Number.isFinite(value)) continue;
      mergeDelta(this.#pending, {
        experiment,
        arm,
        metric,
        n: 1,
        sum: value,
        squares: value * value,
      });
    }
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.deferred.run('experiment sums', () => this.flush());
    }, FLUSH_MS).unref();
  }

  /** Undefined for an experiment that is not configured. */
  async report(id: string): Promise<ExperimentReport | undefined> {
    const experiment = this.splitter.find(id);
    if (experiment === undefined) return undefined;
    await this.flush();
    const deltas = await this.#store.read(id);
    const shadow = experiment.shadow === undefined ? [] : [`shadow:${experiment.shadow.model}`];
    const arms = [...Object.keys(experiment.split), ...shadow];
    return {
      id,
      split: experiment.split,
      stickyBy: experiment.stickyBy,
      arms: compareArms(deltas, arms),
    };
  }

  /** Gives the sums to the store. Never rejects: what cannot be stored waits for the next time. */
  async flush(): Promise<void> {
    if (this.#pending.size === 0) return;
    const deltas = this.#pending;
    this.#pending = new Map();
    try {
      await this.#store.add([...deltas.values()]);
    } catch (error) {
      for (const delta of deltas.values()) mergeDelta(this.#pending, delta);
      this.logger.warn({ err: error }, 'experiment sums could not be stored');
    }
  }

  async onApplicationShutdown(): Promise<void> {
    clearTimeout(this.#timer);
    await this.flush();
  }
}
