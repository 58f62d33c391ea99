import { HISTOGRAM_BOUNDS_US } from '../persistence/rollups.js';

/**
 * The duration, in microseconds, under which the share `q` (0..1) of the calls stayed. Exact to its bucket
 * (each bound is 1.5 times the one before), linear within. Undefined without calls.
 * @param counts calls per bucket; the last bucket has no upper bound and answers with its lower one
 */
export function percentileUs(counts: readonly number[], q: number): number | undefined {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total <= 0) return undefined;
  const rank = q * total;
  let below = 0;
  for (const [bucket, count] of counts.entries()) {
    if (count > 0 && below + count >= rank) {
      const lower = HISTOGRAM_BOUNDS_US[bucket - 1] ?? 0;
      const upper = HISTOGRAM_BOUNDS_US[bucket] ?? lower;
      return lower + (upper - lower) * ((rank - below) / count);
    }
    below += count;
  }
  return HISTOGRAM_BOUNDS_US.at(-1);
}
