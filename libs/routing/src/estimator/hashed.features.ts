/** Buckets of the hashed vocabulary. */
export const BUCKETS = 4096;
const STEM = 6;
/** Longer texts are judged by their beginning and end: the estimate must not cost more than it saves. */
const HEAD = 6000;
const TAIL = 2000;
const WORD = /[a-z]+|[0-9]+|[^\sa-z0-9]/g;

export interface TextVector {
  /** Bucket → value, of unit length. */
  readonly words: ReadonlyMap<number, number>;
  /** Length and structure, see {@link DENSE}. */
  readonly dense: readonly number[];
}

/** What the dense numbers are, in order. */
export const DENSE = [
  'log_length',
  'digits',
  'formula',
  'negation',
  'blank',
  'word_length',
  'stem_length',
] as const;

/**
 * Hashed stems weighted by `idf`, and seven numbers of length and structure. The same code serves training and
 * routing, so the two cannot drift apart.
 */
export function vectorOf(text: string, idf?: ArrayLike<number>): TextVector {
  const sample = text.length <= HEAD + TAIL ? text : `${text.slice(0, HEAD)}\n${text.slice(-TAIL)}`;
  const tokens = sample.toLowerCase().match(WORD) ?? [];
  const counts = new Map<number, number>();
  let letters = 0;
  let digits = 0;
  for (const token of tokens) {
    letters += token.length;
    const first = token.charCodeAt(0);
    if (first >= 48 && first <= 57) digits += token.length;
    const bucket = hash(token) % BUCKETS;
    counts.set(bucket, (counts.get(bucket) ?? 0) + 1);
  }
  let norm = 0;
  for (const [bucket, count] of counts) {
    const value = (1 + Math.log(count)) * (idf?.[bucket] ?? 1);
    counts.set(bucket, value);
    norm += value * value;
  }
  norm = Math.sqrt(norm) || 1;
  for (const [bucket, value] of counts) counts.set(bucket, value / norm);
  const length = Math.max(1, sample.length);
  return {
    words: counts,
    dense: [
      Math.log(Math.max(1, text.length)),
      digits / length,
      /[=+*^\\$]/.test(sample) ? 1 : 0,
      /\bnot\b|except/i.test(sample) ? 1 : 0,
      sample.includes('_') ? 1 : 0,
      letters / Math.max(1, tokens.length),
      Math.min(1, stemLength(sample) / 1000),
    ],
  };
}

/** Length of the question itself where answer options follow it. */
function stemLength(text: string): number {
  const options = text.indexOf('\nA.');
  return options === -1 ? text.length : options;
}

/** FNV-1a over a word's first six characters. */
function hash(token: string): number {
  let h = 2166136261;
  const end = Math.min(token.length, STEM);
  for (let i = 0; i < end; i++) h = Math.imul(h ^ token.charCodeAt(i), 16777619);
  return h >>> 0;
}
