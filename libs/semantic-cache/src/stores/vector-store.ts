/** Vectors of one embedder: the same name means comparable vectors. */
export interface VectorSpace {
  /** Embedder id, dimension and normaliser version: letters, digits, `_`. */
  readonly name: string;
  readonly dimension: number;
}

/** One stored question with its answer. */
export interface VectorPoint {
  /** UUID; storing under a known id replaces. */
  readonly id: string;
  /** Who may be served (a keyed hash). */
  readonly scope: string;
  /** Digest of everything but the wording that must be equal: model, system prompt, tools, format, … */
  readonly fingerprint: string;
  /** `tenant:namespace:model:digest`, for clearing by pattern. */
  readonly key: string;
  /** Unit vector of the last user message. */
  readonly message: Float32Array;
  /** Unit vector of the user turns before it; absent in the first turn. */
  readonly context?: Float32Array;
  /** The last user message. */
  readonly text: string;
  /** The encoded answer. */
  readonly answer: string;
  readonly storedAt: number;
  readonly expiresAt: number;
}

export interface VectorQuery {
  readonly scope: string;
  readonly fingerprint: string;
  readonly message: Float32Array;
  readonly context?: Float32Array;
  readonly now: number;
  /** Cosine below which nothing is wanted. */
  readonly least: number;
  readonly limit: number;
  readonly timeoutMs: number;
}

export interface VectorMatch {
  readonly id: string;
  readonly text: string;
  readonly answer: string;
  readonly storedAt: number;
  readonly expiresAt: number;
  readonly key: string;
  /** Cosine of the last messages. */
  readonly similarity: number;
  /** Cosine of the contexts: 1 when neither has one, 0 when only one has. */
  readonly context: number;
}

/**
 * Keeps questions by meaning. Only points with the query's scope and fingerprint, and not expired, are found.
 * Every method may throw: the caller counts a fault as a miss. What is upserted is found soon, not at once.
 * Adding a store: one file here, one line in the catalogue; `describeVectorStore()` runs over it.
 */
export abstract class VectorStore {
  /** It packs and seals texts and answers itself, in a thread of its own; what it finds is still packed and sealed. */
  readonly encodes: boolean = false;
  /** False only when there is certainly nothing to find: a search need not be made. */
  mayHold(_scope: string, _fingerprint: string): boolean {
    return true;
  }
  /** True when what is searched for now would certainly not be there within the time: it need not be waited for. */
  isBehind(_timeoutMs: number): boolean {
    return false;
  }
  /** Makes or finds the space. Points of other spaces are not touched and never found. */
  abstract open(space: VectorSpace): Promise<void>;
  /** Nearest first. */
  abstract search(query: VectorQuery): Promise<VectorMatch[]>;
  /**
   * @param maxEntries what is oldest beyond it makes room for the points, in stores where that costs no more than they do;
   *   in others the next {@link sweep} removes it
   */
  abstract upsert(points: readonly VectorPoint[], maxEntries?: number): Promise<void>;
  abstract remove(ids: readonly string[]): Promise<void>;
  /** Removes points whose key matches the regular expression, all without one; gives how many. */
  abstract clear(pattern: string | undefined): Promise<number>;
  /** Removes what expired before `now` (ms) and, beyond `maxEntries`, what is oldest; gives how many. */
  abstract sweep(now: number, maxEntries: number): Promise<number>;
  abstract count(): Promise<number>;
  abstract close(): Promise<void>;
}
