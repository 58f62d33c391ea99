import type { RoutingConfig } from '@sluice/config';
import type { Prompt } from '@sluice/kernel';
import type { PromptFeatures } from '../decisions/decision.js';
import { UpliftEstimator } from '../estimator/uplift.estimator.js';
import { FeatureExtractor } from '../features/feature.extractor.js';
import { GradeClassifier, type GradeVerdict } from './grade.classifier.js';

type Level = 'full' | 'rules';

/** Feature extraction and grading at both levels: with the estimator, and by keywords alone. */
export class PromptReader {
  readonly #levels: Readonly<Record<Level, { extract: FeatureExtractor; grade: GradeClassifier }>>;

  /** @param threshold as of {@link GradeClassifier} */
  constructor(threshold?: (maxLoss: number) => number) {
    const estimator = UpliftEstimator.bundled();
    this.#levels = {
      full: {
        extract: new FeatureExtractor(estimator),
        grade: new GradeClassifier(estimator, threshold),
      },
      rules: { extract: new FeatureExtractor(undefined), grade: new GradeClassifier(undefined) },
    };
  }

  features(level: Level, prompt: Prompt, routing: RoutingConfig): PromptFeatures {
    return this.#levels[level].extract.extract(prompt, routing);
  }

  classify(level: Level, features: PromptFeatures, routing: RoutingConfig): GradeVerdict {
    return this.#levels[level].grade.classify(features, routing);
  }
}
