const NUMBER_WORDS: ReadonlyMap<string, string> = new Map(
  'two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen'
    .split(' ')
    .map((word, i): [string, string] => [word, String(i + 2)])
    .concat([
      ['twenty', '20'],
      ['thirty', '30'],
      ['forty', '40'],
      ['fifty', '50'],
      ['sixty', '60'],
      ['seventy', '70'],
      ['eighty', '80'],
      ['ninety', '90'],
      ['hundred', '100'],
      ['thousand', '1000'],
      ['million', '1000000'],
      ['billion', '1000000000'],
      ['twice', '2'],
      ['half', '0.5'],
      ['dozen', '12'],
    ]),
);
const HAS_DIGIT = /\p{N}/u;

/** The number that a token says, in one spelling for all; undefined where it says none. */
export function numberOf(token: string): string | undefined {
  return NUMBER_WORDS.get(token) ?? (HAS_DIGIT.test(token) ? numeral(token) : undefined);
}

/** The numbers of a text. Texts with other numbers never share an answer, however alike they are. */
export function numbersOf(tokens: readonly string[]): ReadonlySet<string> {
  let found: Set<string> | undefined;
  for (const token of tokens) {
    const number = numberOf(token);
    if (number !== undefined) (found ??= new Set()).add(number);
  }
  return found ?? NONE;
}

const NONE: ReadonlySet<string> = new Set();

/** `$5,000` and `5000` are one number; the unit sticks to it when it is written to it. */
function numeral(token: string): string {
  const bare = token.replace(/^\p{Sc}/u, '').replace(/,(?=\p{N}{3})/gu, '');
  return /^\p{N}+\.0+$/u.test(bare) ? bare.replace(/\.0+$/, '') : bare;
}
