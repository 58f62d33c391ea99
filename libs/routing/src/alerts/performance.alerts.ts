import {
  Injectable,
  Optional,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { Clock, uuidv7 } from '@sluice/kernel';
import { DeferredWork, Logger } from '@sluice/observability';
import { AlertSink, NobodyToTell } from '../ports/alert-sink.port.js';
import { RoutingMetrics } from '../routing.metrics.js';
import {
  AlertStore,
  MemoryAlertStore,
  type AlertKind,
  type PerformanceAlert,
} from './alert.store.js';

const SHOWN = 200;
const REFRESH_MS = 5000;
/** First wait between two tries of a delivery; it doubles. */
const AGAIN_MS = 30_000;

type Change = (store: AlertStore) => Promise<void>;

/**
 * Alerts of the path monitor and the flags: in the log, in the metrics, in the store of all replicas and at the operator's
 * receiver. One subject and kind is raised once until it is resolved, whichever replica noticed.
 */
@Injectable()
export class PerformanceAlerts implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #store: AlertStore;
  readonly #sink: AlertSink;
  /** Oldest first. */
  #alerts: PerformanceAlert[] = [];
  /** In their order; told again until the store has taken them. */
  #changes: Change[] = [];
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(
    private readonly clock: Clock,
    private readonly logger: Logger,
    private readonly metrics: RoutingMetrics,
    private readonly deferred: DeferredWork,
    @Optional() store?: AlertStore,
    @Optional() sink?: AlertSink,
  ) {
    this.#store = store ?? new MemoryAlertStore();
    this.#sink = sink ?? new NobodyToTell();
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.refresh();
    this.#timer = setInterval(() => void this.refresh(), REFRESH_MS).unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.#timer);
  }

  /** Newest first; what other replicas raised is at most five seconds behind. */
  list(): readonly PerformanceAlert[] {
    return this.#alerts.toReversed();
  }

  /** Newest first, from the store. */
  page(page: { readonly limit: number; readonly before?: string }): Promise<PerformanceAlert[]> {
    return this.#store.list(page);
  }

  raise(kind: AlertKind, subject: string, message: string): void {
    if (this.#open(kind, subject) !== undefined) return;
    const now = this.clock.now();
    const alert: PerformanceAlert = { id: uuidv7(now), kind, subject, message, raisedAt: now };
    this.#alerts = [...this.#alerts, alert].slice(-SHOWN);
    this.metrics.alerts.inc({ kind });
    this.logger.warn({ kind, subject }, message);
    this.#change((store) => store.raise(alert));
  }

  resolve(kind: AlertKind, subject: string): void {
    const open = this.#open(kind, subject);
    if (open === undefined) return;
    const now = this.clock.now();
    this.#alerts = this.#alerts.map((alert) =>
      alert === open ? { ...alert, resolvedAt: now } : alert,
    );
    this.logger.info({ kind, subject }, 'performance alert resolved');
    this.#change((store) => store.resolve(kind, subject, now));
  }

  /** Tells the store what changed here, takes what changed elsewhere, and delivers. Never rejects. */
  refresh(): Promise<void> {
    this.#running = this.#running.then(async () => {
      try {
        await this.#tell();
        await this.#deliver();
        const alerts = await this.#store.list({ limit: SHOWN });
        // What was raised while we read is told next time; until then ours is newer.
        if (this.#changes.length === 0) this.#alerts = alerts.toReversed();
      } catch (error) {
        this.logger.warn({ err: error }, 'performance alerts could not be stored or read');
      }
    });
    return this.#running;
  }

  #change(change: Change): void {
    this.#changes.push(change);
    this.deferred.run('performance alerts', () => this.refresh());
  }

  async #tell(): Promise<void> {
    for (let next = this.#changes[0]; next !== undefined; next = this.#changes[0]) {
      await next(this.#store);
      this.#changes.shift();
    }
  }

  async #deliver(): Promise<void> {
    if (!this.#sink.wanted) return;
    for (const alert of await this.#store.claim(this.clock.now(), AGAIN_MS)) {
      try {
        await this.#sink.send(alert);
        await this.#store.delivered(alert.id, this.clock.now());
      } catch (error) {
        this.logger.warn({ err: error, alert: alert.id }, 'performance alert was not delivered');
      }
    }
  }

  #open(kind: AlertKind, subject: string): PerformanceAlert | undefined {
    return this.#alerts.findLast(
      (alert) => alert.kind === kind && alert.subject === subject && alert.resolvedAt === undefined,
    );
  }
}
