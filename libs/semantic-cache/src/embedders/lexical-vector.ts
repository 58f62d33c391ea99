import { weightOf } from '../decision/word-weights.js';
import { FILLERS, stemOf, tokensOf } from '../decision/words.js';

export const LEXICAL_DIMENSIONS = 512;
/** Part of the collection's name: raise it when the same text gives another vector. */
export const LEXICAL_VERSION = 1;

/**
 * Hashed stems, pairs of neighbouring stems and character 3- to 5-grams, weighted by how telling they are,
 * as a unit vector. Good for near-verbatim repeats; it knows no meaning. About 0.1 ms for a usual question.
 */
export function lexicalVector(text: string): Float32Array {
  const vector = new Float32Array(LEXICAL_DIMENSIONS);
  const stems = tokensOf(text)
    .filter((token) => !FILLERS.has(token))
    .map(stemOf);
  let before = '^';
  for (const stem of stems) {
    const weight = weightOf(stem);
    add(vector, `w${stem}`, weight);
    add(vector, `p${before} ${stem}`, 0.3 * Math.min(weight + 1, 6));
    before = stem;
    const padded = `_${stem}_`;
    const share = (0.5 * weight) / Math.sqrt(3 * padded.length);
    for (let n = 3; n <= 5; n++) {
      for (let i = 0; i + n <= padded.length; i++) add(vector, padded.slice(i, i + n), share);
    }
  }
  return unit(vector);
}

/** FNV-1a; the lowest bit decides the sign, so that collisions cancel rather than add. */
function add(vector: Float32Array, feature: string, weight: number): void {
  let h = 0x811c9dc5;
  for (let i = 0; i < feature.length; i++) {
    h = Math.imul(h ^ feature.charCodeAt(i), 0x01000193);
  }
  h ^= h >>> 15;
  const at = (h >>> 1) % LEXICAL_DIMENSIONS;
  vector[at] = (vector[at] ?? 0) + ((h & 1) === 0 ? weight : -weight);
}

/** Scales to length 1; the zero vector stays what it is. */
export function unit(vector: Float32Array): Float32Array {
  let sum = 0;
  for (const x of vector) sum += x * x;
  if (sum === 0) return vector;
  const scale = 1 / Math.sqrt(sum);
  for (let i = 0; i < vector.length; i++) vector[i] = (vector[i] ?? 0) * scale;
  return vector;
}

/** The cosine of two unit vectors of the same length. */
export function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] ?? 0) * (b[i] ?? 0);
  return sum;
}
