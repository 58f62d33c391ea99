const TERMS = [
  676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
];

/** Lanczos' approximation, good to 13 digits for x ≥ 1. */
function logGamma(x: number): number {
  let sum = 0.99999999999980993;
  TERMS.forEach((term, i) => {
    sum += term / (x + i);
  });
  const t = x + TERMS.length - 1.5;
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(sum);
}

/**
 * Bounds on a probability that hold at all times at once with probability 1 − alpha, so that they may be looked at after
 * every label: the mixture martingale of Robbins with a uniform prior, bounded by Ville's inequality. Assumes labels of one
 * unchanging probability.
 */
export function anytimeBounds(
  hits: number,
  labels: number,
  alpha: number,
): { readonly lower: number; readonly upper: number } {
  if (labels === 0) return { lower: 0, upper: 1 };
  const misses = labels - hits;
  const mixture = logGamma(hits + 1) + logGamma(misses + 1) - logGamma(labels + 2);
  const limit = Math.log(1 / alpha);
  const excess = (p: number): number => {
    const fit =
      (hits === 0 ? 0 : hits * Math.log(p)) + (misses === 0 ? 0 : misses * Math.log1p(-p));
    return mixture - fit - limit;
  };
  const mean = hits / labels;
  return {
    lower: hits === 0 ? 0 : crossing(excess, 0, mean),
    upper: misses === 0 ? 1 : crossing(excess, 1, mean),
  };
}

/** Where `excess` falls below 0 on the way from `outside` to `inside`. */
function crossing(excess: (p: number) => number, outside: number, inside: number): number {
  let [out, in_] = [outside, inside];
  for (let i = 0; i < 50; i++) {
    const middle = (out + in_) / 2;
    if (excess(middle) >= 0) out = middle;
    else in_ = middle;
  }
  return out;
}
