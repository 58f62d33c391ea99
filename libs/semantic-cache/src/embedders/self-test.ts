import type { Embedder } from './embedder.js';
import { dot } from './lexical-vector.js';

const TEXT = 'How do I reset the password of my account?';
const UNRELATED = 'Volcanic islands rise where two oceanic plates part.';

/**
 * Why this embedder must not be used, or undefined when it may. A model that is broken, truncated or not an
 * embedding model gives vectors that all look alike: then everything would hit.
 */
export async function selfTest(embedder: Embedder, timeoutMs: number): Promise<string | undefined> {
  const [first, unrelated] = await embedder.embed([TEXT, UNRELATED], timeoutMs);
  const [again] = await embedder.embed([TEXT], timeoutMs);
  if (first === undefined || unrelated === undefined || again === undefined) return 'no vectors';
  if (first.length !== embedder.dimension || embedder.dimension === 0) {
    return `${first.length} dimensions instead of ${embedder.dimension}`;
  }
  const same = dot(first, again);
  // NaN fails too.
  if (!(same > 0.99)) return `a text is only ${same.toFixed(3)} similar to itself`;
  const other = dot(first, unrelated);
  if (!(other < 0.5)) return `unrelated texts are ${other.toFixed(3)} similar`;
  return undefined;
}
