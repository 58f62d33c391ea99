import type { Grade } from '@sluice/kernel';

/** What one replica counted of one subject in one slot of time. Absolute, so that writing it again changes nothing. */
export interface WindowRow {
  /** What was counted: `success:["model","grade"]`, `recent:path:direct`, `hour:model:x`, `threshold:epoch:seen:3`. */
  readonly subject: string;
  /** Epoch ms. */
  readonly start: number;
  readonly calls: number;
  readonly failures: number;
  /** An HDR histogram, compressed, in base64; undefined where latencies are not kept. */
  readonly latency?: string;
}

export interface ReplicaRow extends WindowRow {
  readonly replica: string;
}

/** A grade's work that moved away from a model. */
export interface Upgrade {
  readonly model: string;
  readonly grade: Grade;
  /** Epoch ms: what happened before does not count any more. */
  readonly since: number;
  /** Epoch ms. */
  readonly until: number;
  /** How often in a row the way back failed, this time included. */
  readonly relapses: number;
}

/**
 * Where replicas leave what they have learnt for one another and for their successors. Bound to the database; a gateway
 * without one learns alone. Off the path of calls.
 */
export abstract class ReplicaStore {
  /** @param replica whose rows they are; a row replaces what it wrote for that subject and slot before */
  abstract push(replica: string, rows: readonly WindowRow[]): Promise<void>;
  /** What others wrote since, by the store's clock. @param since epoch ms as {@link Pulled.at} said it, 0 for everything */
  abstract pull(replica: string, since: number): Promise<Pulled>;
  /** Keeps the upgrade, unless another replica's holds already. */
  abstract upgrade(upgrade: Upgrade): Promise<void>;
  /** Forgets slots that began before, epoch ms; evidence for thresholds has no slots and is kept for 90 days. */
  abstract forget(before: number): Promise<void>;
}

export interface Pulled {
  readonly rows: readonly ReplicaRow[];
  readonly upgrades: readonly Upgrade[];
  /** Epoch ms of the store. */
  readonly at: number;
}

/** Alone: nobody to tell. */
export class NoReplicas extends ReplicaStore {
  push(): Promise<void> {
    return Promise.resolve();
  }
  pull(): Promise<Pulled> {
    return Promise.resolve({ rows: [], upgrades: [], at: 0 });
  }
  upgrade(): Promise<void> {
    return Promise.resolve();
  }
  forget(): Promise<void> {
    return Promise.resolve();
  }
}
