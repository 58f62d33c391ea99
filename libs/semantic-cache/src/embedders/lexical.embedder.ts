import { setImmediate as nextTurn } from 'node:timers/promises';
import { Embedder } from './embedder.js';
import { LEXICAL_DIMENSIONS, LEXICAL_VERSION, lexicalVector } from './lexical-vector.js';

/** So long others wait at most for their turn, but for one text that takes longer by itself. */
const SLICE_MS = 0.5;

/** The built-in embedder: offline, at once for a question, in slices for many; and blind to meaning. */
export class LexicalEmbedder extends Embedder {
  readonly id = `lexical_v${LEXICAL_VERSION}`;
  readonly dimension = LEXICAL_DIMENSIONS;
  readonly kind = 'lexical';

  async embed(texts: readonly string[]): Promise<Float32Array[]> {
    const vectors: Float32Array[] = [];
    let since = performance.now();
    for (const text of texts) {
      if (performance.now() - since > SLICE_MS) {
        await nextTurn();
        since = performance.now();
      }
      vectors.push(lexicalVector(text));
    }
    return vectors;
  }
}
