// Written by benchmarks/cache/train.ts; not by hand.
/** support, supportRoot, contested, rival, furtherDissent */
export const CORROBORATION_WEIGHTS: readonly number[] = [0.308, 0.211, -1.483, -1.498, -0.386];
