import type { PerformanceAlert } from '../alerts/alert.store.js';

/** Whoever the operator wants told of alerts. Bound by the app to the webhook that budget alerts go to. */
export abstract class AlertSink {
  /** False while nobody wants to be told. */
  abstract readonly wanted: boolean;
  /** @throws Error when it was not taken; it is sent again later */
  abstract send(alert: PerformanceAlert): Promise<void>;
}

export class NobodyToTell extends AlertSink {
  readonly wanted = false;
  send(): Promise<void> {
    return Promise.resolve();
  }
}
