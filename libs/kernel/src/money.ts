/** An amount of money in micro-USD (1 USD = 1,000,000). Always a safe integer: sums must be exact. */
export type MicroUsd = number;

export const MICRO_PER_USD = 1_000_000;

/** Converts a decimal USD amount, as people write it in YAML, to micro-USD (rounded to nearest). */
export function usdToMicro(usd: number): MicroUsd {
  return Math.round(usd * MICRO_PER_USD);
}

export function microToUsd(micro: MicroUsd): number {
  return micro / MICRO_PER_USD;
}

/**
 * The cost of `tokens` at `usdPerMillion` in micro-USD, unrounded.
 * One USD per million tokens is exactly one micro-USD per token, so no scaling is needed.
 */
export function tokenCost(tokens: number, usdPerMillion: number): number {
  return tokens * usdPerMillion;
}

/** Rounds a sum of {@link tokenCost} parts up: a bill may be a micro-dollar high, never low. */
export function roundCost(micro: number): MicroUsd {
  // The subtraction forgives binary noise such as 3 * 0.15 = 0.45000000000000001.
  return Math.max(0, Math.ceil(micro - 1e-6));
}
