import {
  MICRO_PER_USD,
  roundCost,
  tokenCost,
  type MicroUsd,
  type Price,
  type Usage,
} from '@sluice/kernel';

/**
 * What a usage costs, rounded up to a whole micro-USD. Each token is counted once: cached and cache-writing tokens
 * leave the input, reasoning leaves the output, and a class without a price of its own costs what its total costs.
 * A missing price costs nothing.
 */
export function costOf(usage: Usage, price: Price | undefined): MicroUsd {
  if (price === undefined) return 0;
  const plainInput = Math.max(0, usage.input - usage.cachedInput - usage.cacheWrite);
  const plainOutput = Math.max(0, usage.output - usage.reasoning);
  return roundCost(
    tokenCost(plainInput, price.input) +
      tokenCost(usage.cachedInput, price.cachedInput ?? price.input) +
      tokenCost(usage.cacheWrite, price.cacheWrite ?? price.input) +
      tokenCost(plainOutput, price.output) +
      tokenCost(usage.reasoning, price.reasoning ?? price.output) +
      (price.request ?? 0) * MICRO_PER_USD,
  );
}
