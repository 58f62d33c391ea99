import { Injectable } from '@nestjs/common';
import { CallCounter, CallHistogram, Logger, Metrics } from '@sluice/observability';
import { Counter } from 'prom-client';

/** The room's Prometheus metrics, and the log lines that go with them. */
@Injectable()
export class RoutingMetrics {
  /** By grade, model and reason. */
  readonly decisions: CallCounter;
  readonly levels: CallCounter;
  readonly upgrades: Counter;
  readonly savedUsd: CallCounter;
  readonly decisionSeconds: CallHistogram;
  readonly signalFaults: Counter<'signal'>;
  readonly cascades: Counter<'outcome'>;
  readonly alerts: Counter<'kind'>;

  constructor(
    metrics: Metrics,
    private readonly logger: Logger,
  ) {
    const registers = [metrics.registry];
    this.decisions = new CallCounter({
      name: 'sluice_routing_decisions_total',
      help: 'Routing decisions by grade, chosen model and what decided.',
      labelNames: ['grade', 'model', 'reason'],
      registers,
    });
    this.levels = new CallCounter({
      name: 'sluice_routing_level_total',
      help: 'Automatic decisions by level: full routing, simple rules, any healthy target.',
      labelNames: ['level'],
      registers,
    });
    this.upgrades = new Counter({
      name: 'sluice_routing_upgrades_total',
      help: 'Times that a grade was moved away from a model that failed too often.',
      registers,
    });
    this.savedUsd = new CallCounter({
      name: 'sluice_cost_saved_by_routing_usd_total',
      help: 'USD that automatic routing saved against the dearest model trusted with complex work.',
      registers,
    });
    this.decisionSeconds = new CallHistogram({
      name: 'sluice_routing_decision_seconds',
      help: 'Time that a decision took on the event loop.',
      buckets: [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01],
      registers,
    });
    this.signalFaults = new Counter({
      name: 'sluice_routing_signal_faults_total',
      help: 'Scores of a signal that were no finite number.',
      labelNames: ['signal'],
      registers,
    });
    this.cascades = new Counter({
      name: 'sluice_routing_cascades_total',
      help: 'Answers of the cheap model in a cascade: accepted, escalated, released unchecked, failed.',
      labelNames: ['outcome'],
      registers,
    });
    this.alerts = new Counter({
      name: 'sluice_performance_alerts_total',
      help: 'Alerts raised by the path monitor and the feature flags.',
      labelNames: ['kind'],
      registers,
    });
  }

  /** A signal gave no finite score. */
  signalFault(signal: string, model: string): void {
    this.signalFaults.inc({ signal });
    this.logger.debug({ signal, model }, 'routing signal gave no finite score');
  }

  /** A level of routing broke and the next one decides. */
  levelFailed(level: 'full' | 'rules', error: unknown): void {
    this.logger.warn(
      { routingLevel: level, err: error },
      'a level of routing failed; the next one decides',
    );
  }
}
