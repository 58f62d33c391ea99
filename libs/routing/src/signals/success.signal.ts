import { RoutingSignal, type SignalInput } from './routing.signal.js';

/** What the model has made of this grade's work, times how its upstream behaves. */
export class SuccessSignal extends RoutingSignal {
  readonly name = 'success';
  score(candidate: SignalInput): number {
    return candidate.success * (candidate.health.successRate ?? 1);
  }
}
