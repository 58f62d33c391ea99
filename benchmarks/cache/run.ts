// npm run benchmark:cache [-- --quick] [--part pairs,streams,latency,saved] [--entries 100000] [--seeds 10]
// How often the semantic cache is right and wrong, by suite and capability; what the error controller makes of
// streams; how long a look-up takes in each tier, and what a hit saves. Rows that trained the verifier (even ones) are
// not measured. Of the parts that are not asked for, the figures of the last run stay; each part tells when it was run.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import {
  banking77,
  banking94,
  cast,
  checklist,
  clinc150,
  finance32,
  held,
  paraphrases,
  seeded,
  shuffled,
  type Utterance,
} from './data.js';
import { freshPairs } from './fresh.js';
import { savings } from './gateway.js';
import { memory, second, semantic } from './latency.js';
import { longTail } from './long-tail.js';
import { areas, rates, type Rates } from './pairs.js';
import { Stream, type Run } from './streams.js';

const { values: args } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    entries: { type: 'string' },
    seeds: { type: 'string' },
    name: { type: 'string', default: 'cache' },
    part: { type: 'string', default: 'pairs,streams,latency,saved' },
  },
});
const wanted = new Set(args.part.split(','));
const entries = Number(args.entries ?? (args.quick ? 5000 : 100_000));
const rounds = Number(args.seeds ?? (args.quick ? 2 : 10));
const longest = args.quick ? 1500 : Infinity;
const lookups = args.quick ? 500 : 5000;
const SHADOW_RATE = 0.01;

const percent = (share: number | undefined) =>
  share === undefined ? '' : `${(share * 100).toFixed(1)} %`;

/**
 * Development: pairs that were read while guards and word lists were written, so that their figures flatter. Rows: those
 * of a suite whose other half trained, of which a sample was read. Untouched: read by nobody before they were measured.
 */
const suites = [
  { name: 'banking94', split: 'development', pairs: banking94(), published: true },
  { name: 'finance32', split: 'development', pairs: finance32(), published: true },
  { name: 'banking94', split: 'development', pairs: banking94(), published: false },
  { name: 'finance32', split: 'development', pairs: finance32(), published: false },
  { name: 'checklist', split: 'development', pairs: held(checklist()), published: false },
  { name: 'paraphrases', split: 'rows', pairs: held(paraphrases()), published: false },
  { name: 'fresh', split: 'untouched', pairs: freshPairs(), published: false },
  // As if an embedder found every pair 0.92 alike: what guards and verifier do on their own.
  {
    name: 'fresh, cosine 0.92',
    split: 'untouched',
    pairs: freshPairs().map((pair) => ({ ...pair, cos_te3small: 0.92 })),
    published: true,
  },
] as const;
const splitOf = (suite: string) => suites.find(({ name }) => name === suite)?.split;

function measurePairs() {
  const pairs: Rates[] = suites.flatMap((s) => rates(s.name, s.pairs, s.published));
  const auc = suites.map(({ name, pairs, published }) => ({
    suite: name,
    embedder: published ? 'text-embedding-3-small' : 'lexical',
    ...areas(pairs, published),
  }));
  console.log('Pairs: hits among pairs with one answer (true) and with two (false)');
  console.table(
    pairs
      .filter((row) => row.capability === 'all')
      .map(({ suite, embedder, step, threshold, trueHits, falseHits }) => ({
        suite,
        split: splitOf(suite),
        embedder,
        step,
        threshold,
        true: percent(trueHits),
        false: percent(falseHits),
      })),
  );
  console.table(auc);
  return {
    splits: Object.fromEntries(suites.map(({ name, split }) => [name, split])),
    rows: pairs,
    auc,
  };
}

interface StreamRow {
  readonly stream: string;
  readonly policy: string;
  readonly target?: number;
  readonly seedsWithin?: number;
  readonly seedsWithMoreHits?: number;
  readonly seedsWithMoreRight?: number;
  readonly hits: number;
  readonly wrong: number;
  /** Hits with the right answer among all requests. */
  readonly right: number;
  readonly worstSeed: number;
  readonly runs: readonly Run[];
}

const share = (wrong: number, hits: number) => (hits === 0 ? 0 : wrong / hits);

function summary(stream: string, policy: string, runs: readonly Run[]): StreamRow {
  const sum = (of: (run: Run) => number) => runs.reduce((total, run) => total + of(run), 0);
  return {
    stream,
    policy,
    hits: share(
      sum((run) => run.hits),
      sum((run) => run.requests),
    ),
    wrong: share(
      sum((run) => run.wrong),
      sum((run) => run.hits),
    ),
    right: share(
      sum((run) => run.hits - run.wrong),
      sum((run) => run.requests),
    ),
    worstSeed: Math.max(...runs.map((run) => share(run.wrong, run.hits))),
    runs,
  };
}

function streamRows(name: string, items: readonly Utterance[]): StreamRow[] {
  // Shuffled first: the files are sorted by intent.
  const stream = new Stream(shuffled(items, seeded(0)).slice(0, longest));
  const each = (run: (seed: number) => Run) => Array.from({ length: rounds }, (_, i) => run(i + 1));
  const cosine = each((seed) => stream.fixed(seed, 0.95, 'cosine'));
  const within = (runs: readonly Run[], target: number) => ({
    seedsWithin: runs.filter((run) => share(run.wrong, run.hits) <= target).length,
    seedsWithMoreHits: runs.filter((run, i) => run.hits > (cosine[i]?.hits ?? 0)).length,
    seedsWithMoreRight: runs.filter((run, i) => {
      const { hits, wrong } = cosine[i] ?? { hits: 0, wrong: 0 };
      return run.hits - run.wrong > hits - wrong;
    }).length,
  });
  return [
    summary(name, 'cosine 0.95', cosine),
    summary(
      name,
      'guards and verifier 0.95',
      each((seed) => stream.fixed(seed, 0.95, 'pairs')),
    ),
    summary(
      name,
      'and neighbours 0.95',
      each((seed) => stream.fixed(seed, 0.95, 'answers')),
    ),
    ...(['answers', 'pairs'] as const).flatMap((by) =>
      [0.02, 0.05, 0.1].map((target) => {
        const runs = each((seed) => stream.controlled(seed, target, SHADOW_RATE, by));
        const policy = by === 'answers' ? 'controller' : 'controller, answers never comparable';
        return { ...summary(name, policy, runs), target, ...within(runs, target) };
      }),
    ),
  ];
}

function measureStreams() {
  const spoken = cast().flatMap(({ turns }) => turns.map((turn) => turn.resolved));
  const rows = [
    ...streamRows('banking77', held(banking77())),
    ...streamRows(
      'clinc150',
      held(clinc150()).filter(({ intent }) => intent !== 'oos'),
    ),
    ...streamRows('long tail', longTail([...held(checklist()), ...held(paraphrases())], spoken)),
  ];
  console.log(`Streams: ${rounds} seeds`);
  console.table(
    rows.map(({ stream, policy, target, runs, hits, wrong, right, worstSeed, ...rest }) => ({
      stream,
      policy,
      target: percent(target),
      requests: runs[0]?.requests,
      hits: percent(hits),
      wrong: percent(wrong),
      right: percent(right),
      worst: percent(worstSeed),
      within: rest.seedsWithin,
      more: rest.seedsWithMoreHits,
      moreRight: rest.seedsWithMoreRight,
    })),
  );
  return { seeds: rounds, rows };
}

/** Distinct texts of everyday length: one utterance, then two in a row. */
function questions(count: number): string[] {
  const all = [...new Set([...banking77(), ...clinc150()].map(({ text }) => text))];
  return Array.from({ length: count }, (_, i) => {
    const first = all[i % all.length] ?? '';
    const lap = Math.floor(i / all.length);
    return lap === 0 ? first : `${first} ${all[(i * 7 + lap * 1009) % all.length] ?? ''}`;
  });
}
async function measureLatency() {
  const texts = questions(entries);
  const latency = {
    entries,
    l1: await memory(texts, lookups),
    l2: await second(texts, lookups),
    semantic: await semantic(texts, lookups),
  };
  const { entries: _all, ...tiers } = latency;
  console.table(tiers);
  return latency;
}

async function measureSavings() {
  const saved = await savings();
  console.log('A hit against the miss it saves, through a gateway process');
  console.table(saved.map(({ faster, ...row }) => ({ ...row, faster: percent(faster) })));
  return { rows: saved };
}

const parts = {
  pairs: measurePairs,
  streams: measureStreams,
  latency: measureLatency,
  saved: measureSavings,
};
const directory = new URL('../results/', import.meta.url);
await mkdir(directory, { recursive: true });
const file = new URL(`${args.name}.json`, directory);
const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version };
const before = await readFile(file, 'utf8').catch(() => '{}');
// Written by the lines below.
const results = JSON.parse(before) as Record<string, unknown>;
for (const [part, measure] of Object.entries(parts)) {
  if (!wanted.has(part)) continue;
  const measured = await measure();
  results[part] = { at: new Date().toISOString(), machine, quick: args.quick, ...measured };
}
const kept = Object.fromEntries(Object.keys(parts).map((part) => [part, results[part]]));
await writeFile(file, `${JSON.stringify(kept, null, 2)}\n`);
