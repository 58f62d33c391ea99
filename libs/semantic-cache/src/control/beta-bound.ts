/** What is known of one stratum: how much traffic falls into it, how much of it was checked, how much was wrong. */
export interface Stratum {
  readonly traffic: number;
  readonly checked: number;
  readonly wrong: number;
}

export interface Bounds {
  readonly mean: number;
  readonly lower: number;
  readonly upper: number;
}

/**
 * The share of wrong among all traffic, from checks that were drawn within strata: each stratum's Beta posterior
 * (Jeffreys prior) weighted by its traffic. A stratum never checked counts as half wrong, and uncertain.
 * @param z how many standard deviations away the bounds lie (1.64: one in twenty is beyond)
 */
export function stratifiedBounds(strata: readonly Stratum[], z = 1.64): Bounds {
  let traffic = 0;
  for (const stratum of strata) traffic += stratum.traffic;
  if (traffic === 0) return { mean: 0, lower: 0, upper: 1 };
  let mean = 0;
  let variance = 0;
  for (const { traffic: n, checked, wrong } of strata) {
    if (n === 0) continue;
    const share = n / traffic;
    const a = wrong + 0.5;
    const b = checked - wrong + 0.5;
    mean += (share * a) / (a + b);
    variance += (share * share * a * b) / ((a + b) ** 2 * (a + b + 1));
  }
  const spread = z * Math.sqrt(variance);
  return { mean, lower: Math.max(0, mean - spread), upper: Math.min(1, mean + spread) };
}
