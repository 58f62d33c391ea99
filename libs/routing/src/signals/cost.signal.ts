import { RoutingSignal, type SignalInput } from './routing.signal.js';

/** The cheapest candidate scores 1, one at twice its cost 0.5. */
export class CostSignal extends RoutingSignal {
  readonly name = 'cost';
  score(candidate: SignalInput, all: readonly SignalInput[]): number {
    let least = Infinity;
    for (const other of all) least = Math.min(least, other.expectedMicroUsd);
    // One micro-dollar keeps free models comparable.
    return (least + 1) / (candidate.expectedMicroUsd + 1);
  }
}
