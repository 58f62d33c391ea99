import { Injectable } from '@nestjs/common';
import { ConfigStore } from '@sluice/config';
import { Clock } from '@sluice/kernel';
import { Logger } from '@sluice/observability';
import { RoutingMetrics } from '../routing.metrics.js';
import type { Upgrade } from '../sharing/replica.store.js';
import { UpliftEstimator } from '../estimator/uplift.estimator.js';
import { ThresholdLearning } from '../thresholds/threshold.learning.js';
import { SuccessLedger } from './success.ledger.js';

/** The ledger under the current configuration, with a voice in log and metrics. */
@Injectable()
export class RoutingLearning {
  readonly ledger: SuccessLedger;
  readonly thresholds: ThresholdLearning;
  #begun: Upgrade[] = [];

  constructor(config: ConfigStore, clock: Clock, metrics: RoutingMetrics, logger: Logger) {
    this.thresholds = new ThresholdLearning(config, clock, UpliftEstimator.bundled());
    this.ledger = new SuccessLedger(
      clock,
      () => config.current.sluice.routing.upgrade,
      (upgrade) => {
        const { model, grade, until } = upgrade;
        this.#begun.push(upgrade);
        metrics.upgrades.inc();
        logger.warn(
          { model, grade, until: new Date(until).toISOString() },
          'model failed too often at this grade; its work moves up',
        );
      },
    );
  }

  /** Upgrades that began here since this was asked last. */
  takeUpgrades(): Upgrade[] {
    const begun = this.#begun;
    this.#begun = [];
    return begun;
  }
}
