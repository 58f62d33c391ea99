import type { Target } from '@sluice/kernel';

export type BreakerState = 'closed' | 'open' | 'half_open';

/** How one target does at this moment, as the side that talks to it sees it. */
export interface HealthReading {
  readonly breaker: BreakerState;
  /** Epoch ms until which the upstream asked to be left alone (429); undefined when it did not. */
  readonly cooldownUntil?: number;
  readonly inflight: number;
  readonly maxConcurrent: number;
  /** Milliseconds; undefined while unknown. */
  readonly p95Ms?: number;
  /** Share of recent attempts that succeeded (0..1); undefined while unknown. */
  readonly successRate?: number;
}

/** What the router must know of targets' health. Bound by the app to whoever runs the attempts. */
export abstract class TargetHealth {
  abstract reading(target: Target): HealthReading;
  /** May the target be asked now? Every call wants to know: to be answered without a whole reading where that costs less. */
  isUp(target: Target, now: number): boolean {
    return unhealthy(this.reading(target), now) === undefined;
  }
  /** Changes whenever a breaker or cooldown changes state: cached decisions die with it. */
  abstract readonly version: number;
}

const HEALTHY: HealthReading = Object.freeze({
  breaker: 'closed',
  inflight: 0,
  maxConcurrent: Number.MAX_SAFE_INTEGER,
});

/** Every target is well: what the router assumes while nobody tells it otherwise. */
export class AllHealthy extends TargetHealth {
  readonly version = 0;
  reading(): HealthReading {
    return HEALTHY;
  }
}

/** Why a target cannot be asked now; undefined when it can. */
export function unhealthy(reading: HealthReading, now: number): string | undefined {
  if (reading.breaker === 'open') return 'breaker open';
  if (reading.cooldownUntil !== undefined && reading.cooldownUntil > now) return 'cooling down';
  return undefined;
}
