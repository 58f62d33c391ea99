/* eslint-disable @typescript-eslint/no-non-null-assertion -- loops over arrays whose lengths are known */
import { BUCKETS, DENSE, vectorOf } from '../libs/routing/src/estimator/hashed.features.js';
import type { Calibration } from '../libs/routing/src/estimator/threshold.choice.js';
import type { UpliftModel } from '../libs/routing/src/estimator/uplift.estimator.js';

export interface LabelledPrompt {
  readonly prompt: string;
  readonly weak: number;
  readonly strong: number;
}

interface Row {
  readonly words: ReadonlyMap<number, number>;
  readonly dense: readonly number[];
}

/** Strong regularisation: with 1,500 labels most words are seen once or twice. */
const LAMBDA = 20;
/** How much a number of structure may weigh against all words together. */
const DENSE_PRIOR = 0.03;

/** Predictors of several targets from the same prompts: one factorisation serves them all. */
export function trainMany(
  prompts: readonly string[],
  targets: readonly (readonly number[])[],
): (prompt: string) => number[] {
  const rows = prompts.map((prompt) => ({ prompt, weak: 0, strong: 0 }));
  const { idf, scaling, x } = prepare(rows);
  const factored = factor(kernel(x));
  const fits = targets.map((y) => {
    const intercept = y.reduce((a, b) => a + b, 0) / y.length;
    const alpha = solve(
      factored,
      y.map((value) => value - intercept),
    );
    return { intercept, ...primal(x, alpha) };
  });
  return (prompt) => {
    const row = scaled(vectorOf(prompt, idf), scaling);
    return fits.map(({ intercept, weights, dense }) => {
      let sum = intercept;
      for (const [bucket, value] of row.words) sum += weights[bucket]! * value;
      row.dense.forEach((value, i) => (sum += dense[i]! * value));
      return sum;
    });
  };
}

/**
 * Ridge regression of uplift (strong right − weak right) on hashed words and structure, solved exactly in its dual
 * form: as many unknowns as labels, a second or two for 1,500.
 */
export function trainUplift(
  rows: readonly LabelledPrompt[],
  options: { readonly trainedOn: string; readonly calibration?: Calibration },
): UpliftModel {
  const n = rows.length;
  const { idf, scaling, x } = prepare(rows);
  const y = rows.map((row) => row.strong - row.weak);
  const intercept = y.reduce((a, b) => a + b, 0) / n;
  const alpha = solve(
    factor(kernel(x)),
    y.map((value) => value - intercept),
  );

  const { weights, dense } = primal(x, alpha);
  const [packed, scale] = pack(weights);
  const [packedIdf, idfScale] = pack(idf);
  return {
    trainedOn: options.trainedOn,
    labels: n,
    intercept: round(intercept),
    scale,
    idfScale,
    weights: packed,
    idf: packedIdf,
    dense: scaling.map(({ mean, deviation }, i) => ({
      mean: round(mean),
      deviation: round(deviation),
      weight: round(dense[i]!),
    })),
    calibration: options.calibration ?? { samples: 0, points: [] },
  };
}

interface Scaling {
  readonly mean: number;
  readonly deviation: number;
}

function prepare(rows: readonly LabelledPrompt[]): {
  idf: Float64Array;
  scaling: Scaling[];
  x: Row[];
} {
  const idf = idfOf(rows);
  const raw = rows.map((row): Row => vectorOf(row.prompt, idf));
  const scaling = DENSE.map((_, i) => standard(raw.map((row) => row.dense[i] ?? 0)));
  return { idf, scaling, x: raw.map((row) => scaled(row, scaling)) };
}

function scaled(row: Row, scaling: readonly Scaling[]): Row {
  return {
    words: row.words,
    dense: row.dense.map((value, i) => (value - scaling[i]!.mean) / scaling[i]!.deviation),
  };
}

/** The weights that the dual solution stands for. */
function primal(
  x: readonly Row[],
  alpha: Float64Array,
): { weights: Float64Array; dense: Float64Array } {
  const weights = new Float64Array(BUCKETS);
  const dense = new Float64Array(DENSE.length);
  x.forEach((row, i) => {
    for (const [bucket, value] of row.words) weights[bucket]! += alpha[i]! * value;
    row.dense.forEach((value, j) => (dense[j]! += DENSE_PRIOR * alpha[i]! * value));
  });
  return { weights, dense };
}

function idfOf(rows: readonly LabelledPrompt[]): Float64Array {
  const seen = new Float64Array(BUCKETS);
  for (const row of rows) for (const bucket of vectorOf(row.prompt).words.keys()) seen[bucket]!++;
  return seen.map((count) => Math.log((rows.length + 1) / (count + 1)) + 0.2);
}

function standard(values: readonly number[]): Scaling {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length;
  return { mean, deviation: Math.sqrt(variance) || 1 };
}

function kernel(x: readonly Row[]): Float64Array[] {
  const buffer = new Float64Array(BUCKETS);
  return x.map((row, i) => {
    const line = new Float64Array(i + 1);
    for (const [bucket, value] of row.words) buffer[bucket] = value;
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      for (const [bucket, value] of x[j]!.words) sum += buffer[bucket]! * value;
      for (let k = 0; k < row.dense.length; k++)
        sum += DENSE_PRIOR * row.dense[k]! * x[j]!.dense[k]!;
      line[j] = i === j ? sum + LAMBDA : sum;
    }
    for (const bucket of row.words.keys()) buffer[bucket] = 0;
    return line;
  });
}

/** Cholesky in place on the lower triangle. */
function factor(l: Float64Array[]): Float64Array[] {
  for (let i = 0; i < l.length; i++) {
    const row = l[i]!;
    for (let j = 0; j <= i; j++) {
      const other = l[j]!;
      let sum = row[j]!;
      for (let k = 0; k < j; k++) sum -= row[k]! * other[k]!;
      row[j] = i === j ? Math.sqrt(sum) : sum / other[j]!;
    }
  }
  return l;
}

function solve(l: readonly Float64Array[], y: readonly number[]): Float64Array {
  const n = l.length;
  const a = Float64Array.from(y);
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) a[i]! -= l[i]![k]! * a[k]!;
    a[i]! /= l[i]![i]!;
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) a[i]! -= l[k]![i]! * a[k]!;
    a[i]! /= l[i]![i]!;
  }
  return a;
}

/** Sixteen-bit integers and their scale: a small file and no loss that matters. */
function pack(values: Float64Array): [number[], number] {
  const scale = values.reduce((max, value) => Math.max(max, Math.abs(value)), 1e-9) / 9999;
  return [Array.from(values, (value) => Math.round(value / scale)), scale];
}

function round(value: number): number {
  return Number(value.toPrecision(8));
}
