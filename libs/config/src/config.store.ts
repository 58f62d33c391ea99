import type { Environment } from './environment.js';
import type { PoliciesConfig } from './policies.schema.js';
import type { SluiceConfig } from './sluice.schema.js';

/** One whole, valid configuration. Never mutated: a reload makes a new one. */
export interface ConfigSnapshot {
  /** Counts from 1; grows by one with each reload that was applied. */
  readonly version: number;
  readonly loadedAt: Date;
  readonly sluice: SluiceConfig;
  readonly policies: PoliciesConfig;
}

export interface ReloadResult {
  readonly applied: boolean;
  readonly version: number;
  /** Why a new version was not taken; empty when it was. */
  readonly problems: readonly string[];
}

/** The configuration that serves now. Read `current` at the time of use; do not keep parts of it. */
export abstract class ConfigStore {
  abstract readonly env: Environment;
  abstract readonly current: ConfigSnapshot;
  /** The problems of the last reload that was refused; empty when the newest files serve. */
  abstract readonly rejected: readonly string[];
  /** Calls `listener` after each applied reload. Returns the unsubscribe function. */
  abstract onChange(listener: (next: ConfigSnapshot, previous: ConfigSnapshot) => void): () => void;
  /** Calls `listener` after each reload, applied or refused. Returns the unsubscribe function. */
  abstract onReload(listener: (result: ReloadResult) => void): () => void;
  abstract reload(): Promise<ReloadResult>;
}
