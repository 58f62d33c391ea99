/** Each is one o200k token with a blank before it (and, capitalised, at the start of a sentence): counts are exact. */
const WORDS = (
  'the of and to in for is on that with are was from will can all has more one about when what which time people ' +
  'other some than then only also after first work back over new good great small large right long high same ' +
  'different system data model value number point case part place world life day year way thing name line side ' +
  'group problem question answer example result change form level order process state test text type user version'
).split(' ');
const OPENERS = ['The', 'This', 'That', 'What', 'When', 'One', 'All', 'Some', 'For', 'In'];

/** A repeatable stream of 32-bit numbers (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

/** Prose of exactly `count` tokens, token by token. */
export function proseTokens(count: number, seed: number): string[] {
  const next = randomFrom(seed);
  const tokens: string[] = [];
  let left = 0;
  while (tokens.length < count) {
    if (left === 0) {
      left = 6 + (next() % 9);
      const opener = OPENERS[next() % OPENERS.length] ?? 'The';
      tokens.push(tokens.length === 0 ? opener : ` ${opener}`);
    } else {
      left--;
      tokens.push(left === 0 ? '.' : ` ${WORDS[next() % WORDS.length] ?? 'the'}`);
    }
  }
  return tokens;
}
