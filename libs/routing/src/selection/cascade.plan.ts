import type { PromptFeatures } from '../decisions/decision.js';
import type { SuccessLedger } from '../learning/success.ledger.js';
import type { SignalInput as Candidate } from '../signals/routing.signal.js';

/** A model below the grade is believed to fail at least this often. */
const LEAST_FAILURE = 0.3;
/** Two calls must beat one clearly, for they also take longer. */
const MARGIN = 0.9;

/**
 * The cheaper model to ask first, or undefined where a cascade does not pay or may not be: never for security work,
 * and for complex work only where the answer can be checked (tools, JSON, code).
 */
export function cheapFirst(
  features: PromptFeatures,
  strong: Candidate,
  below: readonly Candidate[],
  ledger: SuccessLedger,
): Candidate | undefined {
  if (features.security !== undefined || strong.grade === 'simple') return undefined;
  if (strong.grade === 'complex' && !isCheckable(features)) return undefined;
  return below
    .filter((cheap) => cheap.model.target.grade !== undefined)
    .filter((cheap) => !ledger.isUpgraded(cheap.model.target.model, strong.grade))
    .filter((cheap) => {
      const failure = Math.max(LEAST_FAILURE, 1 - cheap.success);
      return (
        cheap.expectedMicroUsd + failure * strong.expectedMicroUsd <
        MARGIN * strong.expectedMicroUsd
      );
    })
    .toSorted((a, b) => a.expectedMicroUsd - b.expectedMicroUsd)[0];
}

function isCheckable(features: PromptFeatures): boolean {
  return (
    features.codeLines > 0 || features.needs.includes('json') || features.needs.includes('tools')
  );
}
