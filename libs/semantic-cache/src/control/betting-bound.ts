/** What is known of one stratum: how much traffic falls into it, how much of it was checked, how much was wrong. */
export interface Stratum {
  readonly traffic: number;
  readonly checked: number;
  readonly wrong: number;
}

/** Where a stratum's bets are laid before it has labels: a Beta distribution. A bad guess costs power, never validity. */
export interface Guess {
  /** Expected share of wrong answers. */
  readonly mean: number;
  /** How many labels the guess weighs. */
  readonly weight: number;
}

export interface Bet extends Stratum {
  readonly guess: Guess;
}

export interface Bounds {
  readonly mean: number;
  readonly lower: number;
  readonly upper: number;
}

/** In the absence of a better one (Jeffreys). */
export const NO_GUESS: Guess = { mean: 0.5, weight: 1 };

/**
 * Log of the evidence that the share of wrong answers among all traffic is not `share`; positive when it speaks
 * against `share`, and {@link Side} says from which side.
 *
 * Test by betting: in each stratum a gambler bets on the next label, by the mixture over his {@link Guess}. If the
 * stratum's true share were p, his capital B(a+k, b+n−k) / B(a, b) / (p^k (1−p)^(n−k)) would be a martingale, whatever
 * the rule by which checks are drawn and stopped. Strata multiply. The shares of the strata are unknown: those that
 * hurt the gambler most among all with Σ traffic share × p = `share` count (union-intersection; Spertus & Stark 2022,
 * Waudby-Smith & Ramdas 2024). By Ville's inequality it ever exceeds 1/α with a chance of at most α, so that it may
 * be read after each label. Halving all counts takes at least the root of the capital, which is a supermartingale still.
 */
export function logEvidence(bets: readonly Bet[], share: number): number {
  const known = bets.filter(({ checked }) => checked > 0);
  const traffic = sum(bets, (bet) => bet.traffic);
  if (traffic === 0 || known.length === 0) return 0;
  const unknown = 1 - sum(known, (bet) => bet.traffic) / traffic;
  const likely = sum(known, (bet) => ((bet.traffic / traffic) * bet.wrong) / bet.checked);
  // What was never checked may be all wrong or all right, whichever explains the share.
  if (likely <= share && likely + unknown >= share) return Math.min(0, capital(known, 0, traffic));
  const needed = likely > share ? share : share - unknown;
  return capital(known, multiplier(known, traffic, needed), traffic);
}

/** Which side of `share` the labels lie on: they prove "less" only when they show less. */
export function showsLess(strata: readonly Stratum[], share: number): boolean {
  const traffic = sum(strata, (s) => s.traffic);
  if (traffic === 0) return false;
  const most = sum(
    strata,
    (s) => (s.traffic / traffic) * (s.checked > 0 ? s.wrong / s.checked : 1),
  );
  return most < share;
}

/** All shares that the evidence does not refute at `alpha`, in either direction, at any time. */
export function confidence(bets: readonly Bet[], alpha = 0.05): Bounds {
  const bar = Math.log(1 / alpha);
  const traffic = sum(bets, (bet) => bet.traffic);
  if (traffic === 0 || bets.every(({ checked }) => checked === 0)) {
    return { mean: 0, lower: 0, upper: 1 };
  }
  const mean = meanOf(bets);
  const refuted = (share: number): boolean => logEvidence(bets, share) >= bar;
  return {
    mean,
    lower: refuted(0) ? edge(0, mean, refuted) : 0,
    upper: refuted(1) ? edge(1, mean, refuted) : 1,
  };
}

/** The share of wrong answers among all traffic, estimated; 0 without a label. */
export function meanOf(strata: readonly Stratum[]): number {
  const traffic = sum(strata, (s) => s.traffic);
  if (traffic === 0 || strata.every(({ checked }) => checked === 0)) return 0;
  return sum(
    strata,
    ({ traffic: n, wrong, checked }) => ((n / traffic) * (wrong + 0.5)) / (checked + 1),
  );
}

/** Between a share that is refuted and one that is not: the last that is refuted. */
function edge(outer: number, inner: number, refuted: (share: number) => boolean): number {
  let [out, inside] = [outer, inner];
  if (refuted(inside)) return inside;
  for (let step = 0; step < 30; step++) {
    const middle = (out + inside) / 2;
    if (refuted(middle)) out = middle;
    else inside = middle;
  }
  return out;
}

/** The gambler's log capital where a pull of `force` on the mean sets the strata's shares. */
function capital(bets: readonly Bet[], force: number, traffic: number): number {
  return sum(bets, (bet) => {
    const { guess, checked, wrong } = bet;
    const [a, b] = [guess.mean * guess.weight, (1 - guess.mean) * guess.weight];
    const p = pulled(bet, (force * bet.traffic) / traffic);
    const right = checked - wrong;
    return (
      logBeta(a + wrong, b + right) -
      logBeta(a, b) -
      (wrong > 0 ? wrong * Math.log(p) : 0) -
      (right > 0 ? right * Math.log(1 - p) : 0)
    );
  });
}

/** The force under which the strata's shares average to `share`. */
function multiplier(bets: readonly Bet[], traffic: number, share: number): number {
  const average = (force: number): number =>
    sum(bets, (bet) => (bet.traffic / traffic) * pulled(bet, (force * bet.traffic) / traffic));
  const side = average(0) < share ? 1 : -1;
  let near = 0;
  let far = side;
  while ((average(far) - share) * side < 0 && Math.abs(far) < 1e12) far *= 4;
  for (let step = 0; step < 40; step++) {
    const middle = (near + far) / 2;
    if ((average(middle) - share) * side < 0) near = middle;
    else far = middle;
  }
  return far;
}

/** Where wrong·ln p + right·ln(1−p) + force·p is greatest. */
function pulled({ checked: n, wrong: k }: Stratum, force: number): number {
  if (force === 0) return inside(k / n);
  // The root of force·p² + (n − force)·p − k that lies between 0 and 1, without cancellation.
  const half = (n - force) / 2;
  const root = Math.sqrt(half * half + force * k);
  return inside(half > 0 ? k / (half + root) : (root - half) / force);
}

function inside(p: number): number {
  return Math.min(1 - 1e-12, Math.max(1e-12, p));
}

function logBeta(a: number, b: number): number {
  return logGamma(a) + logGamma(b) - logGamma(a + b);
}

/** Stirling's series, after a shift to where it is exact to twelve digits. */
function logGamma(of: number): number {
  let shift = 0;
  let x = of;
  for (; x < 10; x++) shift -= Math.log(x);
  const z = 1 / (x * x);
  const series = (1 / 12 - z * (1 / 360 - z * (1 / 1260 - z / 1680))) / x;
  return shift + (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + series;
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  let total = 0;
  for (const item of items) total += of(item);
  return total;
}
