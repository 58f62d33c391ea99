import {
  Injectable,
  Optional,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { ConfigStore } from '@sluice/config';
import { Clock, FEATURE_FLAGS, FeatureFlags, type ChatCall } from '@sluice/kernel';
import { DeferredWork, Logger } from '@sluice/observability';
import { PerformanceAlerts } from '../alerts/performance.alerts.js';
import { fraction } from '../experiments/experiment.splitter.js';
import { FlagStore, MemoryFlagStore, type FlagBounds, type FlagRecord } from './flag.store.js';
import { FlagTrial } from './flag.trial.js';

export interface FlagState {
  readonly name: string;
  readonly enabled: boolean;
  readonly source: 'default' | 'environment' | 'stored';
  readonly reason?: string;
  readonly updatedAt?: number;
  readonly observation?: FlagBounds;
}

/** All replicas follow within this time and one query. */
const POLL_MS = 2000;
const CHECK_MS = 1000;

/**
 * The flags of all rooms: what was stored, else the environment (`ENABLE_<NAME>`), else on. A flag under observation is on for a share of
 * calls only and turns itself off when those do worse than the others by more than its bound.
 */
@Injectable()
export class RuntimeFlags
  extends FeatureFlags
  implements OnApplicationBootstrap, OnApplicationShutdown
{
  readonly #store: FlagStore;
  #stored = new Map<string, FlagRecord>();
  readonly #trials = new Map<string, FlagTrial>();
  /** Rolled back here while the store may not know yet: the record's time, and why. */
  readonly #vetoes = new Map<string, { readonly updatedAt: number; readonly why: string }>();
  #timer: NodeJS.Timeout | undefined;
  #checkedAt = 0;

  constructor(
    private readonly config: ConfigStore,
    private readonly clock: Clock,
    private readonly logger: Logger,
    private readonly deferred: DeferredWork,
    private readonly alerts: PerformanceAlerts,
    @Optional() store?: FlagStore,
  ) {
    super();
    this.#store = store ?? new MemoryFlagStore();
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.refresh();
    this.#timer = setInterval(() => void this.refresh(), POLL_MS).unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.#timer);
  }

  /** Also of flags that only the operator knows. */
  isOn(name: string, call?: Pick<ChatCall, 'id'>): boolean {
    const record = this.#stored.get(name);
    if (record === undefined) return this.config.env.flags[name] ?? true;
    if (!record.enabled) return false;
    if (record.observation === undefined || call === undefined) return true;
    return inTrial(name, call.id, record.observation.share);
  }

  list(): FlagState[] {
    const names = new Set<string>([
      ...FEATURE_FLAGS,
      ...Object.keys(this.config.env.flags),
      ...this.#stored.keys(),
    ]);
    return [...names].toSorted().map((name) => this.#state(name));
  }

  /** Stores the flag for all replicas. Rejects when the store cannot be reached; nothing is changed then. */
  async set(
    name: string,
    enabled: boolean,
    options: { observation?: FlagBounds; reason?: string } = {},
  ): Promise<FlagState> {
    const { observation, reason = 'admin' } = options;
    const record: FlagRecord = {
      name,
      enabled,
      reason,
      updatedAt: this.clock.now(),
      ...(observation !== undefined && enabled ? { observation } : {}),
    };
    await this.#store.save(record);
    this.#apply([...this.#stored.values()].filter((r) => r.name !== name).concat(record));
    if (enabled) this.alerts.resolve('flag_rolled_back', `flag:${name}`);
    return this.#state(name);
  }

  /** How a call went, for the flags under observation. `durationMs` is undefined when it failed. */
  observe(call: Pick<ChatCall, 'id'>, durationMs: number | undefined): void {
    if (this.#trials.size === 0) return;
    const now = this.clock.now();
    for (const [name, trial] of this.#trials) {
      trial.record(inTrial(name, call.id, trial.bounds.share), now, durationMs);
    }
    if (now - this.#checkedAt < CHECK_MS) return;
    this.#checkedAt = now;
    for (const [name, trial] of this.#trials) {
      const why = trial.verdict(now);
      if (why !== undefined) this.#rollBack(name, why);
    }
  }

  /** Reads the store again, and tells it of rollbacks that it has missed. While it is away the last known flags hold. */
  async refresh(): Promise<void> {
    try {
      const records = await this.#store.load();
      this.#apply(records);
      for (const { name, updatedAt } of records) {
        const veto = this.#vetoes.get(name);
        if (veto?.updatedAt === updatedAt) await this.#storeRollback(name, veto.why);
      }
    } catch (error) {
      this.logger.warn({ err: error }, 'feature flags could not be read; the last known hold');
    }
  }

  #rollBack(name: string, why: string): void {
    this.#trials.delete(name);
    const record = this.#stored.get(name);
    // At once here, whatever the store says; the store carries it to the other replicas.
    if (record !== undefined) {
      this.#vetoes.set(name, { updatedAt: record.updatedAt, why });
      this.#stored.set(name, { ...record, enabled: false });
    }
    this.alerts.raise(
      'flag_rolled_back',
      `flag:${name}`,
      `feature flag ${name} was rolled back: ${why}`,
    );
    this.deferred.run('flag rollback', () => this.#storeRollback(name, why));
  }

  #storeRollback(name: string, why: string): Promise<FlagState> {
    return this.set(name, false, { reason: `rolled back: ${why}` });
  }

  #apply(records: readonly FlagRecord[]): void {
    this.#stored = new Map(
      records.map((record) => {
        const vetoed = this.#vetoes.get(record.name)?.updatedAt === record.updatedAt;
        return [record.name, vetoed ? { ...record, enabled: false } : record];
      }),
    );
    for (const { name, enabled, observation } of this.#stored.values()) {
      if (!enabled || observation === undefined) this.#trials.delete(name);
      else if (!sameBounds(this.#trials.get(name)?.bounds, observation)) {
        this.#trials.set(name, new FlagTrial(observation));
      }
    }
  }

  #state(name: string): FlagState {
    const record = this.#stored.get(name);
    const environment = this.config.env.flags[name];
    if (record === undefined) {
      return {
        name,
        enabled: environment ?? true,
        source: environment === undefined ? 'default' : 'environment',
      };
    }
    const { enabled, reason, updatedAt, observation } = record;
    return {
      name,
      enabled,
      source: 'stored',
      reason,
      updatedAt,
      ...(observation === undefined ? {} : { observation }),
    };
  }
}

function inTrial(name: string, callId: string, share: number): boolean {
  return fraction(`${name}\n${callId}`) < share;
}

function sameBounds(a: FlagBounds | undefined, b: FlagBounds): boolean {
  return (
    a?.share === b.share &&
    a.p95Bound === b.p95Bound &&
    a.errorBound === b.errorBound &&
    a.minCalls === b.minCalls
  );
}
