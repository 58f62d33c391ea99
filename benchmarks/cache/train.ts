/**
 * Learns what the lexical embedder and the pair verifier need, from the train halves of the data, and writes it
 * into libs/semantic-cache. Run with `npm run benchmark:cache:train`; the result is committed.
 */
import { writeFileSync } from 'node:fs';
import { FEATURES, pairFeatures } from '../../libs/semantic-cache/src/decision/pair-features.js';
import {
  logOdds,
  NEIGHBOURHOOD,
  neighbourhood,
} from '../../libs/semantic-cache/src/decision/corroboration.js';
import { readingOf } from '../../libs/semantic-cache/src/decision/decision.js';
import { vetoes } from '../../libs/semantic-cache/src/decision/guards.js';
import { stemOf, tokensOf } from '../../libs/semantic-cache/src/decision/words.js';
import { dot, lexicalVector } from '../../libs/semantic-cache/src/embedders/lexical-vector.js';
import {
  banking77,
  checklist,
  clinc150,
  paraphrases,
  seeded,
  shuffled,
  type Pair,
  type Utterance,
} from './data.js';
import { Stream } from './streams.js';

const target = new URL('../../libs/semantic-cache/src/decision/', import.meta.url);
const NOTE = '// Written by benchmarks/cache/train.ts; not by hand.\n';

/** A wrong answer costs as much as so many missed ones: 0.95 then leaves far less than 5 % doubt. */
const WRONG_COSTS = 4;

/** Even rows train, odd rows measure. */
const half = <T>(items: readonly T[]): T[] => items.filter((_, i) => i % 2 === 0);

const [, , part] = process.argv;
if (part === 'words') words();
else if (part === 'neighbourhood') neighbourhoods();
else weights();

function words(): void {
  const texts = [
    ...half(banking77()).map((u) => u.text),
    ...half(clinc150()).map((u) => u.text),
    ...half(checklist()).flatMap((p) => [p.a, p.b]),
    ...half(paraphrases()).flatMap((p) => [p.a, p.b]),
  ];
  const seen = new Map<string, number>();
  for (const text of texts) {
    for (const stem of new Set(tokensOf(text).map(stemOf)))
      seen.set(stem, (seen.get(stem) ?? 0) + 1);
  }
  const list = [...seen]
    .filter(([stem, n]) => n >= 6 && !/\p{N}/u.test(stem))
    .sort((p, q) => q[1] - p[1])
    .map(([stem, n]) => `${stem}:${Math.round(10 * Math.min(8, Math.log(texts.length / n)))}`);
  writeFileSync(
    new URL('word-weights.data.ts', target),
    `${NOTE}export const WORD_WEIGHTS =\n  '${list.join(' ').replaceAll("'", String.raw`\'`)}';\n`,
  );
  console.log(`${list.length} words`);
}

/** Nearest neighbours among utterances: what a look-up would find, labelled by intent. */
function neighbours(all: readonly Utterance[], count: number): Pair[] {
  const random = seeded(7);
  const sample = shuffled(half(all), random).slice(0, 2500);
  const vectors = sample.map((u) => lexicalVector(u.text));
  const pairs: Pair[] = [];
  for (let i = 0; i < Math.min(count, sample.length); i++) {
    let best = -1;
    let at = -1;
    for (let j = 0; j < sample.length; j++) {
      if (i === j) continue;
      const cosine = dot(vectors[i]!, vectors[j]!);
      if (cosine > best) [best, at] = [cosine, j];
    }
    const [p, q] = [sample[i]!, sample[at]!];
    pairs.push({ a: p.text, b: q.text, y: p.intent === q.intent ? 1 : 0 });
  }
  return pairs;
}

function others(all: readonly Pair[]): Pair[] {
  const vectors = all.map((p) => lexicalVector(p.b));
  return all.map((p, i): Pair => {
    const mine = lexicalVector(p.a);
    let best = -1;
    let at = 0;
    vectors.forEach((v, j) => {
      const cosine = dot(mine, v);
      if (j !== i && all[j]!.a !== p.a && cosine > best) [best, at] = [cosine, j];
    });
    return { a: p.a, b: all[at]!.b, y: 0 };
  });
}

function weights(): void {
  const lexical = [
    ...half(checklist()),
    ...half(paraphrases()),
    ...others(half(paraphrases())),
    ...neighbours(banking77(), 1500),
    ...neighbours(clinc150(), 1500),
  ].map((p) => row(p, dot(lexicalVector(p.a), lexicalVector(p.b))));
  const fitted = fit(lexical, FEATURES.length, 1);
  writeFileSync(
    new URL('verifier-weights.data.ts', target),
    `${NOTE}/** ${FEATURES.join(', ')} */\nexport const VERIFIER_WEIGHTS: readonly number[] = [\n  ${fitted
      .map((w) => w.toFixed(3))
      .join(', ')},\n];\n`,
  );
  console.log(Object.fromEntries(FEATURES.map((f, i) => [f, fitted[i]?.toFixed(2)])));
}

interface Row {
  readonly x: number[];
  readonly y: number;
  /** Log odds that are given before. */
  readonly offset?: number;
}

/** Vetoed pairs never reach the verifier: it need not learn them. */
function row(p: Pair, cosine: number): Row | undefined {
  const a = readingOf(p.a);
  const b = readingOf(p.b);
  if (p.a === p.b || vetoes(a, b).length > 0) return undefined;
  return { x: pairFeatures(a, b, cosine), y: p.y };
}

/** What a look-up finds in caches that are full, and in sparse ones. */
function neighbourhoods(): void {
  const rows = [
    half(banking77()),
    half(clinc150()).filter(({ intent }) => intent !== 'oos'),
  ].flatMap((all) => {
    const stream = new Stream(shuffled(all, seeded(0)));
    return [...stream.lookups(6, 1), ...stream.lookups(7, 0.3)].map(
      ({ scores, at, agreement, wrong }): Row | undefined => {
        const x = neighbourhood(scores, at, agreement);
        const offset = logOdds(scores[at] ?? 0);
        return x === undefined ? undefined : { x, y: wrong ? 0 : 1, offset };
      },
    );
  });
  const fitted = fit(rows, NEIGHBOURHOOD.length, 0, WRONG_COSTS);
  writeFileSync(
    new URL('corroboration-weights.data.ts', target),
    `${NOTE}/** ${NEIGHBOURHOOD.join(', ')} */\nexport const CORROBORATION_WEIGHTS: readonly number[] = [\n  ${fitted
      .map((w) => w.toFixed(3))
      .join(', ')},\n];\n`,
  );
  console.log(Object.fromEntries(NEIGHBOURHOOD.map((f, i) => [f, fitted[i]?.toFixed(2)])));
}

/** Logistic regression by gradient descent with an L2 pull towards zero; negatives may weigh more. */
function fit(
  all: readonly (Row | undefined)[],
  width: number,
  ridge: number,
  negatives = 1,
): number[] {
  const rows = all.filter((r) => r !== undefined);
  const total = rows.reduce((sum, { y }) => sum + (y === 1 ? 1 : negatives), 0);
  const w = Array.from({ length: width }, () => 0);
  // The features of a neighbourhood are larger.
  const rate = ridge === 0 ? 0.5 : 1.5;
  for (let step = 0; step < 6000; step++) {
    const gradient = w.map(() => 0);
    for (const { x, y, offset = 0 } of rows) {
      const p = 1 / (1 + Math.exp(-x.reduce((sum, v, i) => sum + v * w[i]!, offset)));
      const cost = y === 1 ? 1 : negatives;
      x.forEach((v, i) => (gradient[i]! += cost * (p - y) * v));
    }
    for (let i = 0; i < width; i++) {
      w[i]! -= (rate * (gradient[i]! + (i === 0 ? 0 : ridge * w[i]!))) / total;
    }
  }
  console.log(rows.length, 'rows', rows.filter((r) => r.y === 1).length, 'positive');
  return w;
}
