import { readFileSync } from 'node:fs';
import { BUCKETS, DENSE, vectorOf } from './hashed.features.js';
import { chooseThreshold, type Calibration } from './threshold.choice.js';

/** What `npm run train:router` writes. */
export interface UpliftModel {
  readonly trainedOn: string;
  readonly labels: number;
  readonly intercept: number;
  /** Weight of each bucket times idf, as integers of `scale`. */
  readonly weights: readonly number[];
  readonly idf: readonly number[];
  readonly scale: number;
  readonly idfScale: number;
  readonly dense: readonly {
    readonly mean: number;
    readonly deviation: number;
    readonly weight: number;
  }[];
  /** From rows that were held out of the training. */
  readonly calibration: Calibration;
}

/**
 * Predicts uplift: how likely a strong model is right where a weak one is wrong. About 0.1 ms on 8,000 tokens of text.
 * Trained on exam questions; on open chat it carries little signal, so the classifier asks it last.
 */
export class UpliftEstimator {
  readonly #weights: Float64Array;
  readonly #idf: Float64Array;
  readonly #thresholds = new Map<number, number>();

  constructor(private readonly model: UpliftModel) {
    if (
      model.weights.length !== BUCKETS ||
      model.idf.length !== BUCKETS ||
      model.dense.length !== DENSE.length
    ) {
      throw new TypeError('the uplift model was trained with other features: train it again');
    }
    this.#weights = Float64Array.from(model.weights, (w) => w * model.scale);
    this.#idf = Float64Array.from(model.idf, (v) => v * model.idfScale);
  }

  static #bundled: UpliftEstimator | undefined;

  /** The committed model beside this file; read once, at start. */
  static bundled(): UpliftEstimator {
    if (this.#bundled === undefined) {
      const text = readFileSync(new URL('./uplift.model.json', import.meta.url), 'utf8');
      this.#bundled = new UpliftEstimator(JSON.parse(text) as UpliftModel); // our own file, checked by its test
    }
    return this.#bundled;
  }

  estimate(text: string): number {
    const vector = vectorOf(text, this.#idf);
    let sum = this.model.intercept;
    for (const [bucket, value] of vector.words) sum += (this.#weights[bucket] ?? 0) * value;
    this.model.dense.forEach((dense, i) => {
      sum += (((vector.dense[i] ?? 0) - dense.mean) / dense.deviation) * dense.weight;
    });
    return Math.min(1, Math.max(0, sum));
  }

  /** The estimate from which on a prompt may not go to a weak model, for a stated loss of quality. */
  threshold(maxQualityLoss: number): number {
    let threshold = this.#thresholds.get(maxQualityLoss);
    if (threshold === undefined) {
      threshold = chooseThreshold(this.model.calibration, maxQualityLoss).threshold;
      this.#thresholds.set(maxQualityLoss, threshold);
    }
    return threshold;
  }

  /** Estimates that part the calibration sample into eighths, and at the threshold for a loss. */
  edges(maxQualityLoss: number): number[] {
    const { points } = this.model.calibration;
    const eighths = [1, 2, 3, 4, 5, 6, 7].map(
      (eighth) => points.find((point) => point.weakShare >= eighth / 8)?.threshold,
    );
    const edges = [...eighths, this.threshold(maxQualityLoss)].filter(
      (edge) => edge !== undefined && Number.isFinite(edge),
    ) as number[];
    return [...new Set(edges)].toSorted((a, b) => a - b);
  }

  /** The estimate that the hardest tenth of the calibration sample exceeds. */
  get hard(): number {
    return this.model.calibration.points.find((p) => p.weakShare >= 0.9)?.threshold ?? Infinity;
  }
}
