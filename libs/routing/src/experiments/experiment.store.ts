import type { ArmDelta } from './arm.totals.js';
import { addMoments } from './arm.totals.js';

/** Keeps what experiments found. Bound to the database; in memory where there is none. */
export abstract class ExperimentStore {
  /** Adds the sums to what is kept. Rejects when nothing was added. */
  abstract add(deltas: readonly ArmDelta[]): Promise<void>;
  abstract read(experiment: string): Promise<ArmDelta[]>;
}

export class MemoryExperimentStore extends ExperimentStore {
  readonly #sums = new Map<string, ArmDelta>();

  add(deltas: readonly ArmDelta[]): Promise<void> {
    for (const delta of deltas) mergeDelta(this.#sums, delta);
    return Promise.resolve();
  }

  read(experiment: string): Promise<ArmDelta[]> {
    return Promise.resolve(
      [...this.#sums.values()].filter((delta) => delta.experiment === experiment),
    );
  }
}

export function mergeDelta(sums: Map<string, ArmDelta>, delta: ArmDelta): void {
  const key = JSON.stringify([delta.experiment, delta.arm, delta.metric]);
  const before = sums.get(key);
  sums.set(key, before === undefined ? delta : { ...delta, ...addMoments(before, delta) });
}
