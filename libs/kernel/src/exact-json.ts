/** A number that JavaScript would round, as the digits it was written with. `JSON.stringify` writes them again. */
export interface ExactNumber {
  readonly rawJSON: string;
}

// The standard's names (ECMAScript "JSON.parse source text access"), which TypeScript's library does not know yet.
const json = JSON as unknown as {
  parse(
    text: string,
    reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
  ): unknown;
  rawJSON(text: string): ExactNumber;
  isRawJSON(value: unknown): value is ExactNumber;
};

/** Sixteen digits where a number may begin. Inside of a text that looks like this, it costs time and nothing else. */
const MAY_BE_ROUNDED = /(?:^|[[:,\s])-?\d{16}/;

/**
 * `JSON.parse`, but for integers beyond 2^53: ids of that size stand in the arguments of tools, and one that is rounded
 * is another one. They become {@link ExactNumber}.
 * @throws SyntaxError
 */
export function parseExact(
  text: string,
  revive?: (key: string, value: unknown) => unknown,
): unknown {
  if (!MAY_BE_ROUNDED.test(text)) return JSON.parse(text, revive) as unknown;
  return json.parse(text, (key, value, { source }) => {
    const rounded = typeof value === 'number' && !Number.isSafeInteger(value);
    if (rounded && Number.isInteger(value) && source !== undefined && DIGITS.test(source)) {
      return json.rawJSON(source);
    }
    return revive === undefined ? value : revive(key, value);
  });
}

const DIGITS = /^-?\d+$/;

export function isExactNumber(value: unknown): value is ExactNumber {
  return typeof value === 'object' && json.isRawJSON(value);
}
