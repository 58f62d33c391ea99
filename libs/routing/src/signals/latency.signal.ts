import { RoutingSignal, type SignalInput } from './routing.signal.js';

const FLOOR_MS = 50;

/** The fastest p95 scores 1, twice as slow 0.5; a target nobody has timed yet is taken for the average. */
export class LatencySignal extends RoutingSignal {
  readonly name = 'latency';
  score(candidate: SignalInput, all: readonly SignalInput[]): number {
    const own = candidate.health.p95Ms;
    if (own === undefined) return 0.5;
    let best = own;
    for (const other of all) best = Math.min(best, other.health.p95Ms ?? best);
    return (best + FLOOR_MS) / (own + FLOOR_MS);
  }
}
