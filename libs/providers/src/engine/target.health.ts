import { Injectable } from '@nestjs/common';
import { ConfigStore } from '@sluice/config';
import { Clock, type Target } from '@sluice/kernel';
import { CircuitBreaker, type BreakerState, type Permit } from './circuit.breaker.js';
import { LatencySample } from './latency.sample.js';

/** What is known of one model at one provider, now. */
export interface HealthView {
  readonly provider: string;
  readonly model: string;
  readonly breaker: BreakerState;
  /** Milliseconds until the upstream's Retry-After is over; 0 when it asked for nothing. */
  readonly coolingMs: number;
  /** True when a call would be let through. */
  readonly available: boolean;
  readonly inflight: number;
  /** Until the first content of a stream or the whole of a message; undefined before the first call. */
  readonly latencyEwmaMs: number | undefined;
  readonly latencyP95Ms: number | undefined;
  /** Of the calls in the breaker's window; 1 when there were none. */
  readonly successRate: number;
  readonly recentCalls: number;
}

type TargetKey = Pick<Target, 'provider' | 'model'>;

/** The engine's own record of one target. */
export class TargetTrack {
  readonly latency = new LatencySample();
  readonly breaker: CircuitBreaker;
  inflight = 0;
  #coolUntil = 0;

  constructor(
    readonly provider: string,
    readonly model: string,
    private readonly clock: Clock,
    config: ConfigStore,
  ) {
    this.breaker = new CircuitBreaker(clock, () => config.current.sluice.routing.breaker);
  }

  get coolingMs(): number {
    return Math.max(0, this.#coolUntil - this.clock.monotonic());
  }

  coolDown(ms: number): void {
    this.#coolUntil = Math.max(this.#coolUntil, this.clock.monotonic() + ms);
  }

  enter(): Permit | undefined {
    return this.breaker.enter();
  }

  view(): HealthView {
    const { calls, successRate } = this.breaker.recent;
    const { coolingMs } = this;
    return {
      provider: this.provider,
      model: this.model,
      breaker: this.breaker.state,
      coolingMs,
      available: coolingMs === 0 && this.breaker.waitMs === 0,
      inflight: this.inflight,
      latencyEwmaMs: this.latency.ewmaMs,
      latencyP95Ms: this.latency.p95Ms,
      successRate,
      recentCalls: calls,
    };
  }
}

/** The health of every target that was ever tried. Survives reloads of the configuration. */
@Injectable()
export class TargetHealth {
  readonly #tracks = new Map<string, TargetTrack>();

  constructor(
    private readonly config: ConfigStore,
    private readonly clock: Clock,
  ) {}

  /** Also for a target that was never tried: healthy, without latencies. */
  of(target: TargetKey): HealthView {
    return this.track(target).view();
  }

  all(): HealthView[] {
    return [...this.#tracks.values()].map((track) => track.view());
  }

  /** For the engine. */
  track({ provider, model }: TargetKey): TargetTrack {
    const key = `${provider}\n${model}`;
    let track = this.#tracks.get(key);
    if (track === undefined) {
      track = new TargetTrack(provider, model, this.clock, this.config);
      this.#tracks.set(key, track);
    }
    return track;
  }
}
