const SPACE = 32;

/**
 * About how many tokens a text has, within some 10 % for prose and code, in one pass and without a table:
 * for places where nobody can wait for the exact count. Letters of one word come as one token per six or so,
 * digits as one per three, marks one by one, other scripts about one per character and a half.
 */
export function estimateTokens(text: string): number {
  let tokens = 0;
  let run = 0;
  let kind = 0;
  const length = text.length;
  for (let i = 0; i < length; i++) {
    const next = kindOf(text.charCodeAt(i));
    if (next === kind) {
      run++;
    } else {
      tokens += cost(kind, run);
      kind = next;
      run = 1;
    }
  }
  return Math.ceil(tokens + cost(kind, run));
}

const NONE = 0;
const LETTER = 1;
const DIGIT = 2;
const BLANK = 3;
const MARK = 4;
const OTHER = 5;

function kindOf(code: number): number {
  if (code === SPACE) return BLANK;
  if (code < 128) {
    if ((code | 32) >= 97 && (code | 32) <= 122) return LETTER;
    if (code >= 48 && code <= 57) return DIGIT;
    return code < SPACE ? BLANK : MARK;
  }
  // Latin with accents behaves like letters, most other scripts do not.
  return code < 0x250 ? LETTER : OTHER;
}

function cost(kind: number, run: number): number {
  switch (kind) {
    case LETTER:
      return run <= 7 ? 1 : Math.ceil(run / 7);
    case DIGIT:
      return Math.ceil(run / 3);
    case BLANK:
      // A single space belongs to the word after it.
      return run === 1 ? 0 : 1 + Math.floor(run / 64);
    case MARK:
      return Math.ceil(run / 2);
    case OTHER:
      return run / 1.5;
    case NONE:
    default:
      return 0;
  }
}
