export type ArmMetric = 'cost_usd' | 'latency_ms' | 'success' | 'feedback' | 'cache_hit';
export const ARM_METRICS: readonly ArmMetric[] = [
  'cost_usd',
  'latency_ms',
  'success',
  'feedback',
  'cache_hit',
];

/** Sums from which mean and variance follow; they add up over replicas and restarts. */
export interface Moments {
  readonly n: number;
  readonly sum: number;
  readonly squares: number;
}

export interface ArmDelta extends Moments {
  readonly experiment: string;
  readonly arm: string;
  readonly metric: ArmMetric;
}

export interface MetricReport {
  readonly calls: number;
  readonly mean: number;
}

export interface DifferenceReport {
  /** Mean of the arm minus mean of the reference. */
  readonly difference: number;
  /** 95 % confidence interval; undefined with fewer than two values on a side. */
  readonly interval: readonly [number, number] | undefined;
}

export interface ArmReport {
  readonly arm: string;
  readonly metrics: Readonly<Partial<Record<ArmMetric, MetricReport>>>;
  /** Against the reference arm; absent for the reference itself. */
  readonly differences?: Readonly<Partial<Record<ArmMetric, DifferenceReport>>>;
}

const Z = 1.96;

export function addMoments(a: Moments, b: Moments): Moments {
  return { n: a.n + b.n, sum: a.sum + b.sum, squares: a.squares + b.squares };
}

/** The arms side by side. The reference is `routed` where it takes part, else the first arm. */
export function compareArms(deltas: readonly ArmDelta[], arms: readonly string[]): ArmReport[] {
  const reference = arms.includes('routed') ? 'routed' : arms[0];
  return arms.map((arm) => {
    const metrics: Partial<Record<ArmMetric, MetricReport>> = {};
    const differences: Partial<Record<ArmMetric, DifferenceReport>> = {};
    for (const metric of ARM_METRICS) {
      const own = momentsOf(deltas, arm, metric);
      if (own === undefined) continue;
      metrics[metric] = { calls: own.n, mean: own.sum / own.n };
      const other = reference === undefined ? undefined : momentsOf(deltas, reference, metric);
      if (arm !== reference && other !== undefined) differences[metric] = differ(own, other);
    }
    return { arm, metrics, ...(arm === reference ? {} : { differences }) };
  });
}

function momentsOf(
  deltas: readonly ArmDelta[],
  arm: string,
  metric: ArmMetric,
): Moments | undefined {
  const own = deltas.filter((delta) => delta.arm === arm && delta.metric === metric);
  const sum = own.reduce<Moments>(addMoments, { n: 0, sum: 0, squares: 0 });
  return sum.n === 0 ? undefined : sum;
}

/** Welch's interval with the normal quantile: with the calls an experiment needs anyway, t would not differ. */
function differ(a: Moments, b: Moments): DifferenceReport {
  const difference = a.sum / a.n - b.sum / b.n;
  if (a.n < 2 || b.n < 2) return { difference, interval: undefined };
  const half = Z * Math.sqrt(variance(a) / a.n + variance(b) / b.n);
  return { difference, interval: [difference - half, difference + half] };
}

function variance({ n, sum, squares }: Moments): number {
  return Math.max(0, (squares - (sum * sum) / n) / (n - 1));
}
