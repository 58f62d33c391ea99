import { Injectable } from '@nestjs/common';
import { Clock } from '@sluice/kernel';
import { Logger } from '@sluice/observability';
import { RoutingMetrics } from './routing.metrics.js';

export type AlertKind = 'latency' | 'success' | 'target_missed' | 'flag_rolled_back';

export interface PerformanceAlert {
  readonly kind: AlertKind;
  /** A path, `model:<id>` or `flag:<name>`. */
  readonly subject: string;
  readonly message: string;
  /** Epoch ms. */
  readonly raisedAt: number;
  /** Epoch ms; undefined while it lasts. */
  resolvedAt?: number;
}

const KEPT = 200;

/** Alerts of the path monitor and the flags. One subject and kind is raised once until it is resolved. */
@Injectable()
export class PerformanceAlerts {
  readonly #alerts: PerformanceAlert[] = [];

  constructor(
    private readonly clock: Clock,
    private readonly logger: Logger,
    private readonly metrics: RoutingMetrics,
  ) {}

  /** Newest first. */
  list(): readonly PerformanceAlert[] {
    return this.#alerts.toReversed();
  }

  raise(kind: AlertKind, subject: string, message: string): void {
    if (this.#open(kind, subject) !== undefined) return;
    this.#alerts.push({ kind, subject, message, raisedAt: this.clock.now() });
    if (this.#alerts.length > KEPT) this.#alerts.shift();
    this.metrics.alerts.inc({ kind });
    this.logger.warn({ kind, subject }, message);
  }

  resolve(kind: AlertKind, subject: string): void {
    const open = this.#open(kind, subject);
    if (open === undefined) return;
    open.resolvedAt = this.clock.now();
    this.logger.info({ kind, subject }, 'performance alert resolved');
  }

  #open(kind: AlertKind, subject: string): PerformanceAlert | undefined {
    return this.#alerts.findLast(
      (alert) => alert.kind === kind && alert.subject === subject && alert.resolvedAt === undefined,
    );
  }
}
