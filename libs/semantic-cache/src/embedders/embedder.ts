import type { CosineKind } from '../decision/pair-verifier.js';

/**
 * Text → unit vectors. `id` names what the vectors mean: it changes when the same text gives another vector.
 * Adding an embedder: one file here, one line in the catalogue, one `kind` in the configuration's schema.
 */
export abstract class Embedder {
  abstract readonly id: string;
  abstract readonly dimension: number;
  abstract readonly kind: CosineKind;
  /**
   * One unit vector for each text, in order.
   * @throws when the work takes longer than `timeoutMs` or fails: the look-up is then a miss
   */
  abstract embed(texts: readonly string[], timeoutMs: number): Promise<Float32Array[]>;
  async close(): Promise<void> {
    /* nothing held */
  }
}
