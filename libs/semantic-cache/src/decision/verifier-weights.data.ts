// Written by benchmarks/cache/train.ts; not by hand.
/** bias, cosine, overlap, unmatched, rarest, sequence, substituted, insertedOnly, questionWord, sameContent, sameBare, length */
export const VERIFIER_WEIGHTS: readonly number[] = [
  -3.909, -0.761, 7.289, 1.132, -0.062, -0.983, 0.239, -0.85, 0.685, 1.068, 1.806, -0.167,
];
