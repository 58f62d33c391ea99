import { trainMany } from '../../tools/train-router.ridge.js';
import { mean, randomOf, readNineModels, shuffled, type NineModelRow } from './data.js';

/** The data has no prices: USD per million tokens as hosts commonly ask for models of these sizes. An assumption. */
const PRICES: Readonly<Record<string, number>> = {
  'qwen2.5-7b-instruct': 0.2,
  'mistral-7b-instruct-v0.3': 0.2,
  'llama-3.1-8b-instruct': 0.2,
  'llama3-chatqa-1.5-8b': 0.2,
  'gemma-2-9b-it': 0.22,
  'codegemma-7b': 0.2,
  'llama3-chatqa-1.5-70b': 0.9,
  'llama-3.1-nemotron-51b-instruct': 0.7,
  'llama-3.3-nemotron-super-49b-v1': 0.7,
};
const LABELS = 1500;
const WEIGHTS = [0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8];

interface Point {
  readonly quality: number;
  readonly cost: number;
}
type Choose = (row: NineModelRow) => string;

/** Quality and relative cost of choosing among nine models, five seeds. */
export function measureNineModels(seeds: readonly number[]) {
  const rows = readNineModels();
  const models = Object.keys(PRICES);
  const sums = new Map<string, Point[]>();
  const fronts: string[][] = [];
  for (const seed of seeds) {
    const all = shuffled(rows, randomOf(seed));
    const train = all.slice(0, LABELS);
    const test = all.slice(LABELS);
    const note = (name: string, choose: Choose) =>
      sums.set(name, [...(sums.get(name) ?? []), score(test, choose)]);
    const average = new Map(models.map((m) => [m, mean(train.map((row) => row.scores[m]!))]));
    const front = models.filter(
      (m) => !models.some((o) => PRICES[o]! <= PRICES[m]! && average.get(o)! > average.get(m)!),
    );
    fronts.push(front);
    const best = front.toSorted((a, b) => average.get(b)! - average.get(a)!)[0]!;
    const cheap = front.toSorted(
      (a, b) => PRICES[a]! - PRICES[b]! || average.get(b)! - average.get(a)!,
    )[0]!;
    const random = randomOf(seed + 500);
    note(`always ${best}`, () => best);
    note(`always ${cheap}`, () => cheap);
    note('random of nine', () => models[Math.floor(random() * models.length)]!);
    note('random of two', () => (random() < 0.5 ? best : cheap));
    const median = train.map((row) => row.prompt.length).toSorted((a, b) => a - b)[LABELS / 2]!;
    note('length of two', (row) => (row.prompt.length > median ? best : cheap));
    note('keywords of two', (row) =>
      /\b(?:prove|function|how many|solve|calculate|which)\b/i.test(row.prompt) ? best : cheap,
    );
    note(
      'oracle',
      (row) =>
        models.toSorted((a, b) => row.scores[b]! - row.scores[a]! || PRICES[a]! - PRICES[b]!)[0]!,
    );
    const predict = trainMany(
      train.map((row) => row.prompt),
      models.map((m) => train.map((row) => row.scores[m]!)),
    );
    const predictions = new Map(test.map((row) => [row, predict(row.prompt)]));
    for (const weight of WEIGHTS) {
      note(`router, cost weight ${weight}`, (row) => {
        const values = predictions.get(row)!;
        const utility = (m: string) => values[models.indexOf(m)]! - weight * PRICES[m]!;
        return models.toSorted((a, b) => utility(b) - utility(a))[0]!;
      });
    }
  }
  return {
    rows: rows.length,
    labels: LABELS,
    paretoFront: [...new Set(fronts.flat())],
    table: Object.fromEntries(
      [...sums].map(([name, points]) => [
        name,
        { quality: mean(points.map((p) => p.quality)), cost: mean(points.map((p) => p.cost)) },
      ]),
    ),
  };
}

function score(test: readonly NineModelRow[], choose: Choose): Point {
  const chosen = test.map((row) => ({ row, model: choose(row) }));
  return {
    quality: mean(chosen.map(({ row, model }) => row.scores[model]!)),
    cost: mean(chosen.map(({ model }) => PRICES[model]!)),
  };
}
