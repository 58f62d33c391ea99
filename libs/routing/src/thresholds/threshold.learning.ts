import { createHash } from 'node:crypto';
import type { ConfigSnapshot, ConfigStore } from '@sluice/config';
import type { Clock } from '@sluice/kernel';
import type { UpliftEstimator } from '../estimator/uplift.estimator.js';
import { ThresholdEvidence, type ThresholdState } from './threshold.evidence.js';

/**
 * The evidence for the estimator's threshold under the models that serve now. Other models or another calibration are
 * another question, and begin without evidence.
 */
export class ThresholdLearning {
  #current: { readonly epoch: string; readonly evidence: ThresholdEvidence } | undefined;
  #source: ConfigSnapshot | undefined;

  constructor(
    private readonly config: ConfigStore,
    private readonly clock: Clock,
    private readonly estimator: UpliftEstimator,
  ) {}

  get evidence(): ThresholdEvidence {
    const snapshot = this.config.current;
    if (this.#current !== undefined && this.#source === snapshot) return this.#current.evidence;
    this.#source = snapshot;
    const { models, routing } = snapshot.sluice;
    const edges = this.estimator.edges(routing.maxQualityLoss);
    const simple = models.filter((model) => model.grade === 'simple');
    const epoch = createHash('sha256')
      .update(JSON.stringify([edges, simple.map(({ id, upstream }) => [id, upstream])]))
      .digest('hex')
      .slice(0, 12);
    if (this.#current?.epoch !== epoch) {
      this.#current = { epoch, evidence: new ThresholdEvidence(epoch, edges, this.clock.now()) };
    }
    return this.#current.evidence;
  }

  state(): ThresholdState {
    const { maxQualityLoss } = this.config.current.sluice.routing;
    return this.evidence.state(maxQualityLoss, this.estimator.threshold(maxQualityLoss));
  }

  /** The estimate from which on a prompt is not simple work. */
  threshold(): number {
    return this.state().threshold;
  }
}
