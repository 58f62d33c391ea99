/* eslint-disable @typescript-eslint/no-non-null-assertion -- loops over arrays whose lengths are known */
// npm run train:router: trains the uplift estimator and writes the JSON that ships with libs/routing.
import { readFileSync, writeFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { calibrate } from '../libs/routing/src/estimator/threshold.choice.js';
import { UpliftEstimator } from '../libs/routing/src/estimator/uplift.estimator.js';
import { trainUplift, type LabelledPrompt } from './train-router.ridge.js';

const LABELS = 1500;
const SEED = 1;
const data = new URL('../benchmarks/data/routing/mmlu_two_models_dev.jsonl.gz', import.meta.url);
const target = new URL('../libs/routing/src/estimator/uplift.model.json', import.meta.url);

const rows = shuffle(
  gunzipSync(readFileSync(data))
    .toString('utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as LabelledPrompt & { contaminated: boolean })
    .filter((row) => !row.contaminated),
);
const options = { trainedOn: 'RouteLLM MMLU, two models (Apache-2.0)' };
const draft = trainUplift(rows.slice(0, LABELS), options);
const estimator = new UpliftEstimator(draft);
// Calibrated on rows the weights have never seen.
const calibration = calibrate(
  rows
    .slice(LABELS)
    .map((row) => ({ score: estimator.estimate(row.prompt), weak: row.weak, strong: row.strong })),
);
writeFileSync(target, `${JSON.stringify({ ...draft, calibration })}\n`);
console.log(
  `trained on ${LABELS} labels, calibrated on ${calibration.samples}: ${target.pathname}`,
);

function shuffle<T>(values: readonly T[]): T[] {
  const out = [...values];
  let state = SEED;
  for (let i = out.length - 1; i > 0; i--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const j = Math.floor((state / 2 ** 32) * (i + 1));
    [out[i], out[j]] = [out[j]!, out[i]!];
  }
  return out;
}
