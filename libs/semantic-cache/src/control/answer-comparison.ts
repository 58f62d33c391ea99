import { textOf, type ChatMessage } from '@sluice/kernel';
import { readingOf } from '../decision/decision.js';
import { dot, lexicalVector } from '../embedders/lexical-vector.js';

export type Comparison = 'same' | 'different' | 'unknown';

const FENCE = /```[^\n]*\n([\s\S]*?)```/g;
/** Above: the same said in other words. Below: something else. Between: only a judge can tell. */
const SAME = 0.6;
const DIFFERENT = 0.3;
const MAX_CHARS = 8000;

/** Does the stored answer say what the fresh one says? Facts first, wording last. */
export function compareAnswers(stored: ChatMessage, fresh: ChatMessage): Comparison {
  const a = answerText(stored);
  const b = answerText(fresh);
  if (squeeze(a) === squeeze(b)) return 'same';
  if (!sameItems(codeOf(a), codeOf(b))) return 'different';
  const left = readingOf(a);
  const right = readingOf(b);
  // Two short answers that agree in every number and differ in one are different answers; long ones may just tell more.
  if (numbersConflict(left.numbers, right.numbers)) return 'different';
  if (!sameItems([...left.quoted], [...right.quoted]) && left.quoted.size === right.quoted.size) {
    return 'different';
  }
  const alike = dot(lexicalVector(a), lexicalVector(b));
  return alike >= SAME ? 'same' : alike < DIFFERENT ? 'different' : 'unknown';
}

export function answerText(message: ChatMessage): string {
  return textOf(message.choices[0]?.parts ?? []).slice(0, MAX_CHARS);
}

function squeeze(text: string): string {
  return text
    .toLowerCase()
    .replace(/[\s\p{P}]+/gu, ' ')
    .trim();
}

function codeOf(text: string): string[] {
  return [...text.matchAll(FENCE)].map((match) => squeeze(match[1] ?? ''));
}

function sameItems(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item) => b.includes(item));
}

/** Each side has a number that the other lacks: they contradict, not merely differ in detail. */
function numbersConflict(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return !a.isSubsetOf(b) && !b.isSubsetOf(a);
}
