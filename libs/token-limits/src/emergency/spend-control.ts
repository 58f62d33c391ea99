/** The emergency switch as all replicas see it. */
export interface SpendControl {
  /** An administrator has stopped paid calls. */
  readonly shutDown: boolean;
  /** Counters of the system that an administrator lets run on above the automatic threshold. */
  readonly waived: readonly string[];
}

export abstract class SpendControlRepository {
  abstract load(): Promise<SpendControl>;
  abstract save(control: SpendControl, at: Date): Promise<void>;
}
