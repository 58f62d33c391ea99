export type AlertKind = 'latency' | 'success' | 'target_missed' | 'flag_rolled_back';

export interface PerformanceAlert {
  /** UUIDv7; also the webhook's id. */
  readonly id: string;
  readonly kind: AlertKind;
  /** A path, `model:<id>` or `flag:<name>`. */
  readonly subject: string;
  readonly message: string;
  /** Epoch ms. */
  readonly raisedAt: number;
  /** Epoch ms; absent while it lasts. */
  readonly resolvedAt?: number;
  /** Epoch ms at which the operator's receiver took it. */
  readonly deliveredAt?: number;
}

/** Alerts of all replicas: at most one is open per kind and subject, whoever noticed. */
export abstract class AlertStore {
  /** Keeps it, unless one of its kind and subject is open. */
  abstract raise(alert: PerformanceAlert): Promise<void>;
  abstract resolve(kind: AlertKind, subject: string, at: number): Promise<void>;
  /** Newest first. @param before only alerts older than the one of this id */
  abstract list(page: {
    readonly limit: number;
    readonly before?: string;
  }): Promise<PerformanceAlert[]>;
  /** Takes alerts that still must be delivered; others get them again only after `againMs`, which doubles. */
  abstract claim(now: number, againMs: number): Promise<PerformanceAlert[]>;
  abstract delivered(id: string, at: number): Promise<void>;
}

const KEPT = 200;

export class MemoryAlertStore extends AlertStore {
  #alerts: PerformanceAlert[] = [];

  raise(alert: PerformanceAlert): Promise<void> {
    const open = this.#alerts.some((other) => isOpen(other, alert.kind, alert.subject));
    if (!open) this.#alerts = [...this.#alerts, alert].slice(-KEPT);
    return Promise.resolve();
  }

  resolve(kind: AlertKind, subject: string, at: number): Promise<void> {
    this.#alerts = this.#alerts.map((alert) =>
      isOpen(alert, kind, subject) ? { ...alert, resolvedAt: at } : alert,
    );
    return Promise.resolve();
  }

  list({ limit, before }: { limit: number; before?: string }): Promise<PerformanceAlert[]> {
    const older = this.#alerts.filter((alert) => before === undefined || alert.id < before);
    return Promise.resolve(older.toReversed().slice(0, limit));
  }

  claim(): Promise<PerformanceAlert[]> {
    return Promise.resolve(this.#alerts.filter((alert) => alert.deliveredAt === undefined));
  }

  delivered(id: string, at: number): Promise<void> {
    this.#alerts = this.#alerts.map((alert) =>
      alert.id === id ? { ...alert, deliveredAt: at } : alert,
    );
    return Promise.resolve();
  }
}

function isOpen(alert: PerformanceAlert, kind: AlertKind, subject: string): boolean {
  return alert.kind === kind && alert.subject === subject && alert.resolvedAt === undefined;
}
