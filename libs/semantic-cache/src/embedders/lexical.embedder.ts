import { Embedder } from './embedder.js';
import { LEXICAL_DIMENSIONS, LEXICAL_VERSION, lexicalVector } from './lexical-vector.js';

/** The built-in embedder: offline, at once, and blind to meaning. */
export class LexicalEmbedder extends Embedder {
  readonly id = `lexical_v${LEXICAL_VERSION}`;
  readonly dimension = LEXICAL_DIMENSIONS;
  readonly kind = 'lexical';

  embed(texts: readonly string[]): Promise<Float32Array[]> {
    return Promise.resolve(texts.map(lexicalVector));
  }
}
