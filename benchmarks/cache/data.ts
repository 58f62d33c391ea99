import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

export interface Pair {
  readonly a: string;
  readonly b: string;
  /** 1: one answer serves both. */
  readonly y: 0 | 1;
  readonly cap?: string;
  readonly test?: string;
  readonly cat?: string;
  readonly cos_te3small?: number;
}
export interface Utterance {
  readonly text: string;
  readonly intent: string;
}
export interface Conversation {
  readonly topic: number;
  readonly turns: readonly { readonly raw: string; readonly resolved: string }[];
}

function lines<T>(name: string): T[] {
  const bytes = readFileSync(new URL(`../data/cache/${name}`, import.meta.url));
  const text = name.endsWith('.gz') ? gunzipSync(bytes).toString() : bytes.toString();
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T);
}

export const banking94 = (): Pair[] => lines('gated_banking94_te3small.jsonl');
export const finance32 = (): Pair[] => lines('gated_finance32_te3small.jsonl');
export const checklist = (): Pair[] => lines('checklist_traps_dev.jsonl.gz');
export const paraphrases = (): Pair[] => lines('paraphrases_999.jsonl.gz');
export const banking77 = (): Utterance[] => lines('banking77_train.jsonl.gz');
export const clinc150 = (): Utterance[] => lines('clinc150_dev.jsonl.gz');
export const cast = (): Conversation[] => lines('cast_multiturn_dev.jsonl.gz');

/** Numbers in [0, 1) from a seed (mulberry32): the same run twice gives the same table. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const copy = [...items];
  for (let i = copy.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    // Both indexes are inside the array.
    [copy[i], copy[j]] = [copy[j] as T, copy[i] as T];
  }
  return copy;
}

/** Area under the ROC curve of scores for positives against negatives. */
export function auc(scored: readonly { readonly score: number; readonly y: number }[]): number {
  const sorted = [...scored].sort((p, q) => p.score - q.score);
  let rankSum = 0;
  let positives = 0;
  for (let i = 0; i < sorted.length;) {
    let j = i;
    while (j < sorted.length && sorted[j]!.score === sorted[i]!.score) j++;
    const rank = (i + j + 1) / 2;
    for (let k = i; k < j; k++) {
      if (sorted[k]!.y === 1) {
        rankSum += rank;
        positives++;
      }
    }
    i = j;
  }
  const negatives = sorted.length - positives;
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives);
}

/** The rows that trained nothing: `npm run benchmark:cache:train` reads the even ones. */
export const held = <T>(items: readonly T[]): T[] => items.filter((_, i) => i % 2 === 1);
