import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

export interface TwoModelRow {
  readonly task: string;
  readonly prompt: string;
  readonly weak: number;
  readonly strong: number;
  readonly contaminated: boolean;
}
export interface NineModelRow {
  readonly task: string;
  readonly prompt: string;
  readonly scores: Readonly<Record<string, number>>;
}

export const readMmlu = (): TwoModelRow[] =>
  readLines<TwoModelRow>('mmlu_two_models_dev').filter((row) => !row.contaminated);
export const readNineModels = (): NineModelRow[] => readLines<NineModelRow>('nine_models_dev');

function readLines<T>(name: string): T[] {
  const file = new URL(`../data/routing/${name}.jsonl.gz`, import.meta.url);
  const text = gunzipSync(readFileSync(file)).toString('utf8').trim();
  return text.split('\n').map((line) => JSON.parse(line) as T);
}

/** Numbers in [0, 1) that are the same in every run (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function shuffled<T>(values: readonly T[], random: () => number): T[] {
  const out = [...values];
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [out[i], out[j]] = [out[j]!, out[i]!];
  }
  return out;
}

export const mean = (values: readonly number[]): number =>
  values.reduce((a, b) => a + b, 0) / Math.max(1, values.length);

export function percentile(values: readonly number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))] ?? Number.NaN;
}

export interface Recovery {
  /** Average share of the performance gap recovered over all shares of strong calls. */
  readonly apgr: number;
  /** Share of strong calls that recovers half, and four fifths, of the gap. */
  readonly cpt50: number;
  readonly cpt80: number;
}

/** RouteLLM's measures: prompts go to the strong model from the highest score down. */
export function recovery(
  rows: readonly { weak: number; strong: number }[],
  scores: readonly number[],
): Recovery {
  const order = rows.map((row, i) => ({ gain: row.strong - row.weak, score: scores[i]! }));
  order.sort((a, b) => b.score - a.score);
  const gap = order.reduce((sum, row) => sum + row.gain, 0);
  let gained = 0;
  let area = 0;
  let before = 0;
  let cpt50 = 1;
  let cpt80 = 1;
  order.forEach((row, i) => {
    gained += row.gain;
    const share = gained / gap;
    area += (share + before) / 2 / order.length;
    before = share;
    if (share >= 0.5 && cpt50 === 1) cpt50 = (i + 1) / order.length;
    if (share >= 0.8 && cpt80 === 1) cpt80 = (i + 1) / order.length;
  });
  return { apgr: area, cpt50, cpt80 };
}
