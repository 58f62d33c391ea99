import {
  chooseThreshold,
  calibrate,
  type Labelled,
} from '../../libs/routing/src/estimator/threshold.choice.js';
import { UpliftEstimator } from '../../libs/routing/src/estimator/uplift.estimator.js';
import { hintOf } from '../../libs/routing/src/features/keyword.matcher.js';
import { trainUplift } from '../../tools/train-router.ridge.js';
import {
  mean,
  percentile,
  randomOf,
  readMmlu,
  recovery,
  shuffled,
  type Recovery,
  type TwoModelRow,
} from './data.js';

const LABELS = 1500;
const PROMISE = 0.05;
const KEYWORDS =
  /\b(?:not|except|prove|calculate|which|why|how|best|most likely|following|if|true|false)\b/gi;

type Router = (train: readonly TwoModelRow[], seed: number) => (prompt: string) => number;

const estimator: Router = (train) => {
  const model = new UpliftEstimator(trainUplift(train, { trainedOn: 'split' }));
  return (prompt) => model.estimate(prompt);
};
const ROUTERS: Readonly<Record<string, Router>> = {
  estimator,
  length: () => (prompt) => prompt.length,
  keywords: () => (prompt) =>
    (prompt.match(KEYWORDS)?.length ?? 0) +
    (hintOf(prompt) === 'complex' ? 3 : hintOf(prompt) === 'medium' ? 1 : 0),
  random: (_train, seed) => randomOf(seed + 1000),
};

/** The two MMLU models: gap recovered by each router over five seeds, and the estimator's time. */
export function measureMmlu(seeds: readonly number[]) {
  const rows = readMmlu();
  const table: Record<string, Recovery & { readonly bySeed: number[] }> = {};
  let micros: number[] = [];
  for (const [name, make] of Object.entries(ROUTERS)) {
    const results = seeds.map((seed) => {
      const all = shuffled(rows, randomOf(seed));
      const score = make(all.slice(0, LABELS), seed);
      const test = all.slice(LABELS);
      const times: number[] = [];
      const scores = test.map((row) => {
        const start = performance.now();
        const value = score(row.prompt);
        times.push((performance.now() - start) * 1000);
        return value;
      });
      if (name === 'estimator') micros = micros.concat(times);
      return recovery(test, scores);
    });
    table[name] = {
      apgr: mean(results.map((r) => r.apgr)),
      cpt50: mean(results.map((r) => r.cpt50)),
      cpt80: mean(results.map((r) => r.cpt80)),
      bySeed: results.map((r) => r.apgr),
    };
  }
  return {
    rows: rows.length,
    labels: LABELS,
    table,
    estimateMicros: { p50: percentile(micros, 0.5), p99: percentile(micros, 0.99) },
  };
}

/** How often a threshold that promises a loss of at most 5 points breaks its word on traffic it has not seen. */
export function measurePromise(seeds: readonly number[], splits: number) {
  const rows = readMmlu();
  const chosen = { bound: [] as Outcome[], naive: [] as Outcome[] };
  for (const seed of seeds) {
    const all = shuffled(rows, randomOf(seed));
    const score = estimator(all.slice(0, LABELS), seed);
    const labelled = all
      .slice(LABELS)
      .map((row): Labelled => ({ score: score(row.prompt), weak: row.weak, strong: row.strong }));
    for (let split = 0; split < splits / seeds.length; split++) {
      const order = shuffled(labelled, randomOf(seed * 1000 + split));
      const half = Math.floor(order.length / 2);
      const calibration = calibrate(order.slice(0, half));
      const test = order.slice(half);
      chosen.bound.push(outcomeOf(test, chooseThreshold(calibration, PROMISE).threshold));
      const naive = calibration.points.findLast((point) => point.meanLoss <= PROMISE);
      chosen.naive.push(outcomeOf(test, naive?.threshold ?? -Infinity));
    }
  }
  const summary = (outcomes: readonly Outcome[]) => ({
    splits: outcomes.length,
    broken: outcomes.filter((o) => o.loss > PROMISE).length / outcomes.length,
    strongCalls: mean(outcomes.map((o) => o.strong)),
    loss: mean(outcomes.map((o) => o.loss)),
  });
  return {
    promise: PROMISE,
    confidenceBound: summary(chosen.bound),
    averageLoss: summary(chosen.naive),
  };
}

interface Outcome {
  readonly loss: number;
  readonly strong: number;
}

function outcomeOf(test: readonly Labelled[], threshold: number): Outcome {
  const weak = test.filter((row) => row.score < threshold);
  return {
    loss: weak.reduce((sum, row) => sum + row.strong - row.weak, 0) / test.length,
    strong: 1 - weak.length / test.length,
  };
}
