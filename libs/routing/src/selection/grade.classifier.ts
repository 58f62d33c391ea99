import type { RoutingConfig } from '@sluice/config';
import { GRADES, type Grade } from '@sluice/kernel';
import type { PromptFeatures } from '../decisions/decision.js';
import type { UpliftEstimator } from '../estimator/uplift.estimator.js';

export interface GradeVerdict {
  readonly grade: Grade;
  /** What decided, as a metric label: keyword, hint, estimate, length, code, security, default. */
  readonly reason: string;
}

const LONG_MESSAGE_TOKENS = 1500;
const LONG_CODE_LINES = 40;
/** Below this a text is too short for the estimator to know better than a common verb. */
const ESTIMATE_FROM_TOKENS = 100;

export function harder(a: Grade, b: Grade): Grade {
  return rank(a) >= rank(b) ? a : b;
}

export function rank(grade: Grade): number {
  return GRADES.indexOf(grade);
}

/**
 * Features to a grade. The operator's keywords come first, common verbs second and the estimator last;
 * length and code may only raise, and security work is lifted to its minimum whatever the others said.
 */
export class GradeClassifier {
  /** @param threshold for a loss of quality: the estimator's own calibration, or what was learnt since */
  constructor(
    private readonly estimator: UpliftEstimator | undefined,
    private readonly threshold = (maxLoss: number) => estimator?.threshold(maxLoss) ?? -Infinity,
  ) {}

  classify(features: PromptFeatures, routing: RoutingConfig): GradeVerdict {
    let verdict = this.#base(features, routing);
    if (features.lastTokens >= LONG_MESSAGE_TOKENS) verdict = raise(verdict, 'medium', 'length');
    if (features.codeLines >= LONG_CODE_LINES) verdict = raise(verdict, 'medium', 'code');
    if (features.security !== undefined) {
      verdict = raise(verdict, routing.security.minimumGrade, 'security');
    }
    return verdict;
  }

  #base(features: PromptFeatures, routing: RoutingConfig): GradeVerdict {
    if (features.keyword !== undefined) return { grade: features.keyword.grade, reason: 'keyword' };
    const estimated = this.#estimate(features, routing);
    if (features.hint === undefined) return estimated ?? { grade: 'medium', reason: 'default' };
    const hinted: GradeVerdict = { grade: features.hint, reason: 'hint' };
    return estimated === undefined || features.lastTokens < ESTIMATE_FROM_TOKENS
      ? hinted
      : raise(hinted, estimated.grade, estimated.reason);
  }

  #estimate(features: PromptFeatures, routing: RoutingConfig): GradeVerdict | undefined {
    if (this.estimator === undefined || !Number.isFinite(features.uplift)) return undefined;
    if (features.uplift < this.threshold(routing.maxQualityLoss)) {
      return { grade: 'simple', reason: 'estimate' };
    }
    return {
      grade: features.uplift < this.estimator.hard ? 'medium' : 'complex',
      reason: 'estimate',
    };
  }
}

function raise(verdict: GradeVerdict, grade: Grade, reason: string): GradeVerdict {
  return rank(grade) > rank(verdict.grade) ? { grade, reason } : verdict;
}
