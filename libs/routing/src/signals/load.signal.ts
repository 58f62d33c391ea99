import { RoutingSignal, type SignalInput } from './routing.signal.js';

/** The free share of the target's concurrency slots; a half-open breaker counts as full. */
export class LoadSignal extends RoutingSignal {
  readonly name = 'load';
  score({ health }: SignalInput): number {
    if (health.breaker === 'half_open') return 0;
    return Math.max(0, 1 - health.inflight / health.maxConcurrent);
  }
}
