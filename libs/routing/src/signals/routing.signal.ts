import type { Grade } from '@sluice/kernel';
import type { HealthReading } from '../ports/target-health.port.js';
import type { RoutableModel } from '../ports/target-catalog.port.js';

/** What a signal may look at. */
export interface SignalInput {
  readonly model: RoutableModel;
  readonly health: HealthReading;
  readonly grade: Grade;
  /** Micro-USD that the call is expected to cost here. */
  readonly expectedMicroUsd: number;
  /** Observed success of this model at this grade (0..1), shrunk towards the prior while young. */
  readonly success: number;
  /** The model that holds this conversation's prompt cache. */
  readonly warm: string | undefined;
}

/**
 * One view of how good a candidate is. To add one: a file here, a line in the catalogue, and a weight in
 * `routing.weights`.
 */
export abstract class RoutingSignal {
  /** Its key in `routing.weights`. */
  abstract readonly name: 'cost' | 'latency' | 'success' | 'load' | 'affinity';
  /** 0 (worst) to 1 (best) relative to `all`. Anything that is no finite number counts as 0.5. */
  abstract score(candidate: SignalInput, all: readonly SignalInput[]): number;
}
