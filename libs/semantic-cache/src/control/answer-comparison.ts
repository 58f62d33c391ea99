import { textOf, type ChatMessage } from '@sluice/kernel';
import { readingOf } from '../decision/decision.js';
import type { Reading } from '../decision/reading.js';
import { dot, lexicalVector } from '../embedders/lexical-vector.js';

export type Comparison = 'same' | 'different' | 'unknown';

const FENCE = /```[^\n]*\n([\s\S]*?)```/g;
/** Above: the same said in other words. Below: something else. Between: only a judge can tell. */
const SAME = 0.6;
const DIFFERENT = 0.3;
const MAX_CHARS = 8000;

/** What an answer says, as far as comparing needs it; each part is read once, when it is asked for. */
export class AnswerFacts {
  readonly #text: string;
  #squeezed: string | undefined;
  #code: readonly string[] | undefined;
  #vector: Float32Array | undefined;

  /** @param maxChars so much of the answer is read */
  constructor(message: ChatMessage, maxChars = MAX_CHARS) {
    this.#text = answerText(message).slice(0, maxChars);
  }

  get squeezed(): string {
    return (this.#squeezed ??= squeeze(this.#text));
  }
  get code(): readonly string[] {
    return (this.#code ??= codeOf(this.#text));
  }
  get reading(): Reading {
    return readingOf(this.#text);
  }
  get vector(): Float32Array {
    return (this.#vector ??= lexicalVector(this.#text));
  }
}

/** Does the stored answer say what the fresh one says? Facts first, wording last. */
export function compareAnswers(stored: ChatMessage, fresh: ChatMessage): Comparison {
  return compareFacts(new AnswerFacts(stored), new AnswerFacts(fresh));
}

export function compareFacts(a: AnswerFacts, b: AnswerFacts): Comparison {
  if (a.squeezed === b.squeezed) return 'same';
  if (!sameItems(a.code, b.code)) return 'different';
  const [left, right] = [a.reading, b.reading];
  // Two short answers that agree in every number and differ in one are different answers; long ones may just tell more.
  if (numbersConflict(left.numbers, right.numbers)) return 'different';
  if (!sameItems([...left.quoted], [...right.quoted]) && left.quoted.size === right.quoted.size) {
    return 'different';
  }
  const alike = dot(a.vector, b.vector);
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
