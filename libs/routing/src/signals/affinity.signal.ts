import { RoutingSignal, type SignalInput } from './routing.signal.js';

/** 1 for the model whose provider still holds this conversation's prompt cache. */
export class AffinitySignal extends RoutingSignal {
  readonly name = 'affinity';
  score({ model, warm }: SignalInput): number {
    return model.target.model === warm ? 1 : 0;
  }
}
