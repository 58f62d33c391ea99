import { MICRO_PER_USD, tokenCost, type Grade, type Price } from '@sluice/kernel';
import type { PromptFeatures } from '../decisions/decision.js';

/** Typical answers by grade, until real ones have been seen. */
const TYPICAL_OUTPUT: Readonly<Record<Grade, number>> = { simple: 150, medium: 400, complex: 900 };

export function expectedOutput(features: PromptFeatures, grade: Grade): number {
  return Math.min(features.maxTokens ?? Infinity, TYPICAL_OUTPUT[grade]);
}

/** Micro-USD for a call of this size, unrounded; undefined when the model has no price. */
export function expectedCost(
  price: Price | undefined,
  input: number,
  output: number,
): number | undefined {
  if (price === undefined) return undefined;
  return (
    tokenCost(input, price.input) +
    tokenCost(output, price.output) +
    (price.request ?? 0) * MICRO_PER_USD
  );
}
