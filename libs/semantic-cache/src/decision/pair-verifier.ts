import { FEATURES, pairFeatures } from './pair-features.js';
import type { Reading } from './reading.js';
import { VERIFIER_WEIGHTS } from './verifier-weights.data.js';

/** Which embedder the cosine comes from: hashed words, or a model that knows meaning. */
export type CosineKind = 'lexical' | 'dense';

/**
 * Neighbours that are less alike are not worth reading. A dense pair's score is at most 0.03 above its cosine, and below 0.4 it
 * has no voice; a lexical one's hangs on the words, not on the cosine: of the hits served in the streams of benchmarks/cache
 * none lies below 0.3, one in four hundred below 0.35 and one in fourteen below 0.5.
 */
export const LEAST_COSINE: Readonly<Record<CosineKind, number>> = { lexical: 0.3, dense: 0.37 };

/**
 * How surely an answer to one text answers the other (0 to 1), from reading both. Texts that differ only in case,
 * punctuation, manners and contractions get at least 0.99, equal texts 1.
 */
export function verify(a: Reading, b: Reading, cosine: number, kind: CosineKind): number {
  if (a.text === b.text) return 1;
  // Two texts of manners or signs alone have nothing in common by that.
  if (a.bare === b.bare && a.bare !== '') return 0.99;
  const features = pairFeatures(a, b, cosine);
  return Math.min(0.985, kind === 'lexical' ? learned(features) : leaned(features));
}

function learned(features: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < FEATURES.length; i++) sum += (VERIFIER_WEIGHTS[i] ?? 0) * (features[i] ?? 0);
  return 1 / (1 + Math.exp(-sum));
}

const [COSINE, OVERLAP, SUBSTITUTED] = [1, 2, 6];

/** A real embedder's cosine leads; words that differ in the same frame pull it down, common ones lift it a little. */
function leaned(features: readonly number[]): number {
  const [cosine = 0, overlap = 0, substituted = 0] = [COSINE, OVERLAP, SUBSTITUTED].map(
    (i) => features[i] ?? 0,
  );
  return Math.max(0, cosine + 0.06 * (overlap - 0.5) - 0.1 * substituted);
}
