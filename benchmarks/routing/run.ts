// npm run benchmark:routing [-- --splits 100 --tasks 2000 --rounds 2000]: what docs/architecture/routing.md states.
import { mkdirSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { measureCascade } from './arithmetic.js';
import { measureMmlu, measurePromise } from './mmlu.js';
import { measureNineModels } from './nine-models.js';
import { measureDecisionTime, measureSavings } from './savings.js';

const { values } = parseArgs({
  options: {
    splits: { type: 'string', default: '100' },
    tasks: { type: 'string', default: '2000' },
    rounds: { type: 'string', default: '2000' },
  },
});
const SEEDS = [1, 2, 3, 4, 5];
const fixed = (value: number, digits = 3) => value.toFixed(digits);
const percent = (value: number) => `${(value * 100).toFixed(1)} %`;

const mmlu = measureMmlu(SEEDS);
console.log(`\nMMLU, two models: ${mmlu.rows} rows, ${mmlu.labels} labels, ${SEEDS.length} seeds`);
console.table(
  Object.fromEntries(
    Object.entries(mmlu.table).map(([name, row]) => [
      name,
      {
        APGR: fixed(row.apgr),
        'worst seed': fixed(Math.min(...row.bySeed)),
        CPT50: percent(row.cpt50),
        CPT80: percent(row.cpt80),
      },
    ]),
  ),
);
console.log(
  `one estimate: p50 ${fixed(mmlu.estimateMicros.p50, 1)} µs, p99 ${fixed(mmlu.estimateMicros.p99, 1)} µs`,
);

const promise = measurePromise(SEEDS, Number(values.splits));
console.log(`\nA threshold that promises to lose at most ${percent(promise.promise)} of quality`);
console.table({
  'by confidence bound': promiseRow(promise.confidenceBound),
  'by average loss': promiseRow(promise.averageLoss),
});

const nine = measureNineModels(SEEDS);
console.log(
  `\nNine models: ${nine.rows} rows, ${nine.labels} labels; Pareto front: ${nine.paretoFront.join(', ')}`,
);
console.table(
  Object.fromEntries(
    Object.entries(nine.table).map(([name, row]) => [
      name,
      { quality: fixed(row.quality), 'USD per million': fixed(row.cost, 2) },
    ]),
  ),
);

const cascade = measureCascade(SEEDS, Number(values.tasks));
console.log(`\nCascade on ${cascade.tasks} synthetic word problems, ${SEEDS.length} seeds`);
console.table({
  'weak right': percent(cascade.weak),
  'strong right': percent(cascade.strong),
  'wrong answers caught': percent(cascade.caught),
  'right answers escalated': percent(cascade.falseAlarms),
  'calls escalated': percent(cascade.escalated),
  'gap recovered': percent(cascade.gapRecovered),
  'APGR cascade / length / random': `${fixed(cascade.apgrCascade)} / ${fixed(cascade.apgrLength)} / ${fixed(cascade.apgrRandom)}`,
});

const savings = await measureSavings();
console.log('\n100 mixed prompts at sandbox prices');
const savedRow = (row: (typeof savings)['equalAnswers']) => ({
  'always sandbox-large': `${fixed(row.alwaysLargeUsd, 4)} USD`,
  routed: `${fixed(row.usd, 4)} USD`,
  saved: percent(row.saved),
});
console.table({
  'as the sandbox answers': savedRow(savings.sandboxAnswers),
  'answers of 400 tokens': savedRow(savings.equalAnswers),
  'answers of 120, 450, 1100 tokens by kind': savedRow(savings.growingAnswers),
  'the same with the cascade, 30 % of it escalated': savedRow(savings.growingCascade),
});
console.log(
  `${savings.cascaded} calls began with a cheaper model in the cascade; security prompts on complex: ${savings.securityOnComplex} of ${savings.security}; graded below a person: ${savings.gradedBelow}, above: ${savings.gradedAbove}`,
);

const decisions = measureDecisionTime(Number(values.rounds));
console.log('\nTime of a decision, milliseconds, decision cache off');
console.table(
  Object.fromEntries(
    decisions.map((d) => [
      `${d.tokens} tokens`,
      { p50: fixed(d.p50), p95: fixed(d.p95), p99: fixed(d.p99) },
    ]),
  ),
);

const results = new URL('../results/', import.meta.url);
mkdirSync(results, { recursive: true });
writeFileSync(
  new URL('routing.json', results),
  `${JSON.stringify({ seeds: SEEDS, mmlu, promise, nine, cascade, savings, decisions }, null, 2)}\n`,
);

function promiseRow(row: (typeof promise)['averageLoss']) {
  return {
    splits: row.splits,
    broken: percent(row.broken),
    'strong calls': percent(row.strongCalls),
    'loss on average': percent(row.loss),
  };
}
