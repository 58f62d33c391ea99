import { WORD_WEIGHTS } from './word-weights.data.js';
import { FUNCTION_WORDS } from './words.js';

const weights: ReadonlyMap<string, number> = new Map(
  WORD_WEIGHTS.split(' ').map((pair) => {
    const colon = pair.lastIndexOf(':');
    return [pair.slice(0, colon), Number(pair.slice(colon + 1)) / 10];
  }),
);

/** Of a word that the corpus does not know: as telling as its rarest words. */
const UNKNOWN = 8;

/** How telling a stem is: its inverse document frequency in everyday questions (natural logarithm, 0.2 to 8). */
export function weightOf(stem: string): number {
  const weight = weights.get(stem) ?? UNKNOWN;
  return FUNCTION_WORDS.has(stem) ? Math.min(weight, 1) * 0.5 : weight;
}
