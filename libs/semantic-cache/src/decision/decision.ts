import { LRUCache } from 'lru-cache';
import { vetoes, type Veto } from './guards.js';
import { verify, type CosineKind } from './pair-verifier.js';
import { read, type Reading } from './reading.js';

export interface Judgement {
  /** The chance that the stored answer answers the new question; what the threshold is held against. 0 when vetoed. */
  readonly score: number;
  /** Both texts are the same but for case, punctuation, manners: needs no evidence. */
  readonly verbatim: boolean;
  readonly vetoes: readonly Veto[];
}

const readings = new LRUCache<string, Reading>({ max: 2000 });

/** Reads a text, or remembers what it read. */
export function readingOf(text: string): Reading {
  let reading = readings.get(text);
  if (reading === undefined) {
    reading = read(text);
    readings.set(text, reading);
  }
  return reading;
}

/** Guards first, because no similarity outweighs a changed number; then the verifier. */
export function judge(
  question: string,
  stored: string,
  cosine: number,
  kind: CosineKind,
): Judgement {
  const a = readingOf(question);
  const b = readingOf(stored);
  const found = question === stored ? [] : vetoes(a, b);
  // Most near questions differ in a number or a name: comparing the rest of such a pair would be for nothing.
  if (found.length > 0) return { score: 0, verbatim: false, vetoes: found };
  const score = verify(a, b, cosine, kind);
  return { score, verbatim: score >= 0.99, vetoes: found };
}
