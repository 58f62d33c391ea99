import type { Pair, Utterance } from './data.js';

/**
 * Traffic that seldom repeats: each question comes once. Only those that a pair calls the same share an answer, and
 * those that differ in signs and case alone ("--" and "…"). Other look-alikes of different pairs count as different:
 * wrong hits are overcounted rather than missed.
 */
export function longTail(pairs: readonly Pair[], alone: readonly string[]): Utterance[] {
  const parents = new Map<string, string>();
  const root = (text: string): string => {
    let at = text;
    for (let up = parents.get(at); up !== undefined && up !== at; up = parents.get(at)) at = up;
    return at;
  };
  const letters = new Map<string, string>();
  const add = (text: string): void => {
    if (parents.has(text)) return;
    const spelled = (text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []).join(' ');
    parents.set(text, letters.get(spelled) ?? text);
    if (!letters.has(spelled)) letters.set(spelled, text);
  };
  alone.forEach(add);
  for (const { a, b, y } of pairs) {
    add(a);
    add(b);
    if (y === 1) parents.set(root(a), root(b));
  }
  return [...parents.keys()].map((text) => ({ text, intent: root(text) }));
}
