import { areSynonyms } from './lexicon.js';
import type { Reading } from './reading.js';
import { weightOf } from './word-weights.js';
import { FILLERS } from './words.js';

/** What the verifier weighs, each about 0 to 1. The order is that of the trained weights. */
export const FEATURES = [
  'bias',
  'cosine',
  'overlap',
  'unmatched',
  'rarest',
  'sequence',
  'substituted',
  'insertedOnly',
  'questionWord',
  'sameContent',
  'sameBare',
  'length',
] as const;

interface Alignment {
  /** Weight of what both say, and of what only one says. */
  readonly shared: number;
  readonly onlyA: number;
  readonly onlyB: number;
  readonly rarest: number;
}

/** @param cosine of the two embeddings */
export function pairFeatures(a: Reading, b: Reading, cosine: number): number[] {
  const { shared, onlyA, onlyB, rarest } = align(a, b);
  const total = 2 * shared + onlyA + onlyB || 1;
  return [
    1,
    cosine,
    (2 * shared) / total,
    Math.min(1, (onlyA + onlyB) / 25),
    rarest / 8,
    commonSubsequence(a.stems, b.stems),
    substituted(a, b),
    onlyA === 0 || onlyB === 0 ? Math.min(1, (onlyA + onlyB) / 8) : 0,
    questionWords(a.questionWord, b.questionWord),
    sameContent(a, b) ? 1 : 0,
    a.bare === b.bare ? 1 : 0,
    Math.min(a.stems.length, b.stems.length) / (Math.max(a.stems.length, b.stems.length) || 1),
  ];
}

function align(a: Reading, b: Reading): Alignment {
  let shared = 0;
  let onlyA = 0;
  let onlyB = 0;
  let rarest = 0;
  const { distinct: left } = a;
  const { distinct: right } = b;
  const leftAlone = without(left, right);
  const rightAlone = without(right, left);
  for (const stem of left) {
    if (FILLERS.has(stem)) continue;
    const weight = weightOf(stem);
    if (right.has(stem)) shared += weight;
    else if (rightAlone.some((other) => alike(stem, other))) shared += 0.8 * weight;
    else {
      onlyA += weight;
      rarest = Math.max(rarest, weight);
    }
  }
  for (const stem of rightAlone) {
    if (FILLERS.has(stem)) continue;
    if (leftAlone.some((other) => alike(stem, other))) continue;
    const weight = weightOf(stem);
    onlyB += weight;
    rarest = Math.max(rarest, weight);
  }
  return { shared, onlyA, onlyB, rarest };
}

function without(stems: ReadonlySet<string>, others: ReadonlySet<string>): string[] {
  const alone: string[] = [];
  for (const stem of stems) if (!others.has(stem)) alone.push(stem);
  return alone;
}

/** Synonyms, and words one slip of the finger apart. */
function alike(a: string, b: string): boolean {
  return areSynonyms(a, b) || isTypo(a, b);
}

/** True when one insertion, deletion, substitution or swap of neighbours makes the one the other. */
export function isTypo(a: string, b: string): boolean {
  const s = a.length <= b.length ? a : b;
  const l = s === a ? b : a;
  if (s.length < 4 || l.length - s.length > 1 || s === l || !l.startsWith(s.charAt(0)))
    return false;
  return slipsApart(s, l) && !HAS_DIGIT.test(s) && !HAS_DIGIT.test(l);
}

const HAS_DIGIT = /\p{N}/u;

/** @param l as long as `s`, or longer by one */
function slipsApart(s: string, l: string): boolean {
  let i = 0;
  while (i < s.length && s[i] === l[i]) i++;
  if (s.length < l.length) return s.slice(i) === l.slice(i + 1);
  if (s.slice(i + 1) === l.slice(i + 1)) return s.length > 5;
  return s[i] === l[i + 1] && s[i + 1] === l[i] && s.slice(i + 2) === l.slice(i + 2);
}

/** Longest common subsequence over the longer length. Long texts are cut: their order says little. */
function commonSubsequence(a: readonly string[], b: readonly string[]): number {
  const left = a.slice(0, 64);
  const right = b.slice(0, 64);
  const row = new Uint8Array(right.length + 1);
  for (const x of left) {
    // Of the row above, one to the left.
    let diagonal = 0;
    for (let j = 0; j < right.length; j++) {
      const above = row[j + 1] ?? 0;
      row[j + 1] = x === right[j] ? diagonal + 1 : Math.max(above, row[j] ?? 0);
      diagonal = above;
    }
  }
  return (row[right.length] ?? 0) / (Math.max(left.length, right.length) || 1);
}

/**
 * The weight of words that stand in the same frame in both texts and differ ("a *basic* account",
 * "a *premium* account"): the sign of a trap, where an overlap of words sees a near copy.
 */
function substituted(a: Reading, b: Reading): number {
  let most = 0;
  a.stems.forEach((stem, i) => {
    if (b.vocabulary.has(stem)) return;
    const before = a.stems[i - 1] ?? '^';
    const after = a.stems[i + 1] ?? '$';
    b.stems.forEach((other, j) => {
      const sameBefore = (b.stems[j - 1] ?? '^') === before;
      const sameAfter = (b.stems[j + 1] ?? '$') === after;
      if (!sameBefore && !sameAfter) return;
      if (a.vocabulary.has(other) || alike(stem, other)) return;
      const frame = sameBefore && sameAfter ? 1 : 0.6;
      most = Math.max(most, (frame * Math.min(weightOf(stem), weightOf(other))) / 8);
    });
  });
  return most;
}

/** 1: the same; 0.5: one of them has none, or "what" and "how"; 0: who against where. */
function questionWords(a: string, b: string): number {
  if (a === b) return 1;
  if (a === '' || b === '') return 0.5;
  return LOOSE.has(a) && LOOSE.has(b) ? 0.5 : 0;
}

const LOOSE = new Set(['what', 'how', 'which']);

function sameContent(a: Reading, b: Reading): boolean {
  if (a.content.length !== b.content.length) return false;
  for (const stem of a.content) if (!b.distinct.has(stem)) return false;
  return [...a.content].sort().join(' ') === [...b.content].sort().join(' ');
}
