import { O200K_TOKEN_SPLIT_REGEX } from 'gpt-tokenizer/encodingParams/constants';

/**
 * A byte-pair vocabulary as flat arrays in shared memory: some 5 MB beside the heap, read by every thread, where a
 * map of strings takes twenty times as much in each. `slots` is an open-addressed hash table of rank + 1 by bytes;
 * the bytes of rank r are `bytes[ends[r - 1] .. ends[r]]`.
 */
export interface BytePairTable {
  readonly slots: Int32Array;
  readonly ends: Int32Array;
  readonly bytes: Uint8Array;
}

/**
 * Characters. Merging looks at every pair for every merge, so a longer word, which no language has, is counted in
 * pieces; the count may then be a token high for each.
 */
const LONGEST_WORD = 512;
const MOST_BYTES = LONGEST_WORD * 3;
/** Characters that merge in some microseconds. */
const QUICK_WORD = 64;
const EMPTY = 0;
/** The file's first number; on a machine of the other byte order it reads as another one. */
const MAGIC = 0x42_50_54_31;
const HEADER_BYTES = 16;
const NONE = 0x7fffffff;

/** @param ranks Each token's text, or its bytes where they are not text, in the order of the ranks. */
export function buildTable(
  ranks: readonly (string | readonly number[] | undefined)[],
): BytePairTable {
  const encoder = new TextEncoder();
  const tokens = ranks.map((token) =>
    typeof token === 'string' ? encoder.encode(token) : Uint8Array.from(token ?? []),
  );
  const size = tokens.reduce((sum, token) => sum + token.length, 0);
  // At most half full: a look-up then sees one or two slots.
  const capacity = 2 ** Math.ceil(Math.log2(tokens.length * 2));
  const table = {
    slots: new Int32Array(new SharedArrayBuffer(capacity * 4)),
    ends: new Int32Array(new SharedArrayBuffer(tokens.length * 4)),
    bytes: new Uint8Array(new SharedArrayBuffer(size)),
  };
  let end = 0;
  for (const [rank, token] of tokens.entries()) {
    table.bytes.set(token, end);
    end += token.length;
    table.ends[rank] = end;
    if (token.length === 0) continue;
    let slot = hashOf(token, 0, token.length) & (capacity - 1);
    while (table.slots[slot] !== EMPTY) slot = (slot + 1) & (capacity - 1);
    table.slots[slot] = rank + 1;
  }
  return table;
}

/** The table as one piece, for a file that {@link unpackTable} reads. Little-endian, as the machine that made it. */
export function packTable({ slots, ends, bytes }: BytePairTable): Uint8Array {
  const lengths = Uint32Array.of(MAGIC, slots.length, ends.length, bytes.length);
  const packed = new Uint8Array(
    lengths.byteLength + slots.byteLength + ends.byteLength + bytes.length,
  );
  let at = 0;
  for (const part of [lengths, slots, ends, bytes]) {
    packed.set(new Uint8Array(part.buffer, part.byteOffset, part.byteLength), at);
    at += part.byteLength;
  }
  return packed;
}

/** Undefined when the file is none of {@link packTable}'s, or is cut. */
export function unpackTable(packed: SharedArrayBuffer): BytePairTable | undefined {
  if (packed.byteLength < HEADER_BYTES) return undefined;
  const [magic, slots = 0, ends = 0, bytes = 0] = new Uint32Array(packed, 0, 4);
  const endsAt = HEADER_BYTES + slots * 4;
  const bytesAt = endsAt + ends * 4;
  if (magic !== MAGIC || packed.byteLength !== bytesAt + bytes) return undefined;
  return {
    slots: new Int32Array(packed, HEADER_BYTES, slots),
    ends: new Int32Array(packed, endsAt, ends),
    bytes: new Uint8Array(packed, bytesAt, bytes),
  };
}

/** Counts tokens as tiktoken makes them: split by the pattern, then merge the pair of lowest rank until none is left. */
export class BytePairCounter {
  readonly #encoder = new TextEncoder();
  readonly #pattern = new RegExp(O200K_TOKEN_SPLIT_REGEX);
  readonly #utf8 = new Uint8Array(MOST_BYTES);
  readonly #starts = new Int32Array(MOST_BYTES + 2);
  readonly #ranks = new Int32Array(MOST_BYTES + 2);

  // The thread may load this file with its types stripped, which leaves no parameter properties.
  readonly #table: BytePairTable;

  constructor(table: BytePairTable) {
    this.#table = table;
  }

  count(text: string): number {
    const pattern = this.#pattern;
    let tokens = 0;
    let from = 0;
    pattern.lastIndex = 0;
    // Every character belongs to some word, so each match starts where the last one ended.
    while (from < text.length && pattern.test(text)) {
      const to = pattern.lastIndex;
      for (; from < to; from = Math.min(to, from + LONGEST_WORD)) {
        tokens += this.#word(text, from, Math.min(to, from + LONGEST_WORD));
      }
    }
    return tokens;
  }

  /** As {@link count}, but gives up, with undefined, at a word that would take long. */
  countQuickly(text: string): number | undefined {
    const pattern = this.#pattern;
    let tokens = 0;
    let from = 0;
    pattern.lastIndex = 0;
    while (from < text.length && pattern.test(text)) {
      const to = pattern.lastIndex;
      if (to - from > QUICK_WORD) return undefined;
      tokens += this.#word(text, from, to);
      from = to;
    }
    return tokens;
  }

  #word(text: string, from: number, to: number): number {
    const length = this.#encode(text, from, to);
    return this.#rank(0, length) === NONE ? this.#merge(length) : 1;
  }

  /** Writes one word as UTF-8 and returns its length in bytes. */
  #encode(text: string, from: number, to: number): number {
    const word = this.#utf8;
    for (let i = from; i < to; i++) {
      const code = text.charCodeAt(i);
      if (code > 127) return this.#encoder.encodeInto(text.slice(from, to), word).written;
      word[i - from] = code;
    }
    return to - from;
  }

  #merge(length: number): number {
    const starts = this.#starts;
    const ranks = this.#ranks;
    for (let i = 0; i <= length; i++) {
      starts[i] = i;
      ranks[i] = i + 2 <= length ? this.#rank(i, i + 2) : NONE;
    }
    // `starts` has one entry more than there are parts: the end of the last.
    let parts = length;
    for (;;) {
      let lowest = NONE;
      let at = -1;
      for (let i = 0; i < parts - 1; i++) {
        const rank = ranks[i] ?? NONE;
        if (rank < lowest) {
          lowest = rank;
          at = i;
        }
      }
      if (at < 0) return parts;
      starts.copyWithin(at + 1, at + 2, parts + 1);
      ranks.copyWithin(at + 1, at + 2, parts + 1);
      parts--;
      ranks[at] = this.#pair(at, parts);
      if (at > 0) ranks[at - 1] = this.#pair(at - 1, parts);
    }
  }

  /** The rank of the `at`-th part together with the next one. */
  #pair(at: number, parts: number): number {
    if (at + 2 > parts) return NONE;
    return this.#rank(this.#starts[at] ?? 0, this.#starts[at + 2] ?? 0);
  }

  #rank(from: number, to: number): number {
    const { slots, ends, bytes } = this.#table;
    const word = this.#utf8;
    const mask = slots.length - 1;
    const length = to - from;
    for (let slot = hashOf(word, from, to) & mask; ; slot = (slot + 1) & mask) {
      const rank = (slots[slot] ?? EMPTY) - 1;
      if (rank < 0) return NONE;
      const start = rank === 0 ? 0 : (ends[rank - 1] ?? 0);
      if ((ends[rank] ?? 0) - start !== length) continue;
      let same = 0;
      while (same < length && bytes[start + same] === word[from + same]) same++;
      if (same === length) return rank;
    }
  }
}

/** FNV-1a with a last stir, as its low bits alone are poor. */
function hashOf(bytes: Uint8Array, from: number, to: number): number {
  let hash = 0x811c9dc5;
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ (bytes[i] ?? 0), 0x01000193);
  return (hash ^ (hash >>> 15)) >>> 0;
}
