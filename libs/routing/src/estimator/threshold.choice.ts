/** What sending everything below a score to the weak model did to a labelled sample. */
export interface ThresholdPoint {
  /** Prompts whose estimate is below this go to the weak model. */
  readonly threshold: number;
  /** Share of the sample that lies below. */
  readonly weakShare: number;
  /** Mean and variance over the whole sample of (strong right − weak right) on the prompts below, 0 on the others. */
  readonly meanLoss: number;
  readonly variance: number;
}

export interface Calibration {
  readonly samples: number;
  /** By falling caution: `weakShare` grows. */
  readonly points: readonly ThresholdPoint[];
}

export interface Labelled {
  readonly score: number;
  readonly weak: number;
  readonly strong: number;
}

/** One-sided normal quantile of 0.995: the promise must also survive the noise of the traffic it is tested on. */
const Z = 2.576;

export function calibrate(rows: readonly Labelled[], steps = 100): Calibration {
  const sorted = rows.toSorted((a, b) => a.score - b.score);
  const n = sorted.length;
  const points: ThresholdPoint[] = [];
  let sum = 0;
  let squares = 0;
  let next = 1;
  sorted.forEach((row, i) => {
    const loss = row.strong - row.weak;
    sum += loss;
    squares += loss * loss;
    const following = sorted[i + 1]?.score ?? row.score + Number.EPSILON;
    // Equal scores cannot be told apart by a threshold.
    if ((i + 1) * steps < next * n || following === row.score) return;
    next = Math.floor(((i + 1) * steps) / n) + 1;
    const mean = sum / n;
    points.push({
      threshold: (row.score + following) / 2,
      weakShare: (i + 1) / n,
      meanLoss: mean,
      variance: Math.max(0, squares / n - mean * mean),
    });
  });
  return { samples: n, points };
}

/**
 * The highest threshold whose loss of quality stays below `maxLoss` by its upper confidence bound, found by walking
 * from the cautious end and stopping at the first point that cannot be vouched for: a fixed sequence needs
 * no correction for the many points looked at. Without evidence everything goes to the strong model (−Infinity).
 */
export function chooseThreshold(calibration: Calibration, maxLoss: number): ThresholdPoint {
  let best: ThresholdPoint = { threshold: -Infinity, weakShare: 0, meanLoss: 0, variance: 0 };
  for (const point of calibration.points) {
    if (upperBound(point, calibration.samples) > maxLoss) break;
    best = point;
  }
  return best;
}

function upperBound(point: ThresholdPoint, samples: number): number {
  // The second term keeps a handful of lucky samples from looking certain.
  return point.meanLoss + Z * Math.sqrt(point.variance / samples) + (Z * Z) / (3 * samples);
}
