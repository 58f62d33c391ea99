/** A number that JavaScript would round, as the digits it was written with. `JSON.stringify` writes them again. */
export interface ExactNumber {
  readonly rawJSON: string;
}

// The standard's names (ECMAScript "JSON.parse source text access"), which TypeScript's library does not know yet.
const json = JSON as unknown as {
  rawJSON(text: string): ExactNumber;
  isRawJSON(value: unknown): value is ExactNumber;
};

/** Sixteen digits where a number may begin. Inside of a text that looks like this, it costs time and nothing else. */
const MAY_BE_ROUNDED = /(?:^|[[:,\s])-?\d{16}/;
const FEWEST_DIGITS = 16;
const DIGITS = /^-?\d+$/;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;

/** Where the walk is in one of the open arrays and objects. */
interface Level {
  /** Of the element; -1 in an object. */
  index: number;
  /** Where the member's key stands, between its quotes. */
  keyFrom: number;
  keyTo: number;
}
type Path = readonly (string | number)[];

/**
 * `JSON.parse`, but for integers beyond 2^53: ids of that size stand in the arguments of tools, and one that is rounded
 * is another one. They become {@link ExactNumber}. A walk over the text finds them, 2 ns a character: a reviver would be called
 * for every value and take seconds for a body of ten megabytes.
 * @throws SyntaxError
 */
export function parseExact(text: string): unknown {
  const root = { value: JSON.parse(text) as unknown };
  if (MAY_BE_ROUNDED.test(text)) {
    walkNumbers(text, (path, digits) => {
      putExact(root, ['value', ...path], digits);
    });
  }
  return root.value;
}

export function isExactNumber(value: unknown): value is ExactNumber {
  return typeof value === 'object' && json.isRawJSON(value);
}

/** Tells of each integer that would be rounded. @param text valid JSON */
function walkNumbers(text: string, found: (path: Path, digits: string) => void): void {
  const levels: Level[] = [];
  let level: Level | undefined;
  // The string that ended last: before a colon, it is a key.
  let from = 0;
  let to = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    switch (code) {
      case QUOTE:
        from = i + 1;
        to = i = endOfString(text, from);
        break;
      case COLON:
        if (level !== undefined) [level.keyFrom, level.keyTo] = [from, to];
        break;
      case COMMA:
        if (level !== undefined && level.index >= 0) level.index++;
        break;
      case 0x5b: // [
      case 0x7b: // {
        level = { index: code === 0x5b ? 0 : -1, keyFrom: 0, keyTo: 0 };
        levels.push(level);
        break;
      case 0x5d: // ]
      case 0x7d: // }
        levels.pop();
        level = levels.at(-1);
        break;
      default: {
        const end = endOfNumber(text, i);
        if (end - i >= FEWEST_DIGITS && isRounded(text.slice(i, end))) {
          found(
            levels.map((l) => (l.index < 0 ? keyOf(text, l) : l.index)),
            text.slice(i, end),
          );
        }
        if (end > i) i = end - 1;
      }
    }
  }
}

function endOfString(text: string, from: number): number {
  for (let at = text.indexOf('"', from); ; at = text.indexOf('"', at + 1)) {
    let before = at;
    while (text.charCodeAt(before - 1) === BACKSLASH) before--;
    // Backslashes escape each other, and an odd one the quote.
    if ((at - before) % 2 === 0) return at;
  }
}

/** Where a number that begins here ends; `from` where none does. */
function endOfNumber(text: string, from: number): number {
  let at = from;
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at);
    const belongs = (code >= 0x30 && code <= 0x39) || code === 0x2d;
    // A fraction or an exponent belongs to a number that has begun; the letter e stands in other words, too.
    const goesOn = at > from && (code === 0x2e || code === 0x2b || (code | 0x20) === 0x65);
    if (!belongs && !goesOn) break;
  }
  return at;
}

function isRounded(literal: string): boolean {
  const value = Number(literal);
  return DIGITS.test(literal) && Number.isFinite(value) && !Number.isSafeInteger(value);
}

function keyOf(text: string, { keyFrom, keyTo }: Level): string {
  return JSON.parse(text.slice(keyFrom - 1, keyTo + 1)) as string;
}

/** Only in place of the number itself: of a key that stands twice, the parser has kept the last. */
function putExact(root: object, path: Path, digits: string): void {
  let holder: unknown = root;
  for (const step of path.slice(0, -1)) holder = ownValue(holder, step);
  const last = path.at(-1) ?? '';
  const rounded = ownValue(holder, last);
  const value = isExactNumber(rounded) ? Number(rounded.rawJSON) : rounded;
  if (value === Number(digits)) (holder as Record<string, unknown>)[last] = json.rawJSON(digits);
}

function ownValue(holder: unknown, key: string | number): unknown {
  const isHolder = typeof holder === 'object' && holder !== null && Object.hasOwn(holder, key);
  return isHolder ? (holder as Record<string, unknown>)[key] : undefined;
}
