export interface Equation {
  readonly expression: string;
  readonly stated: string;
}

const MAX_EQUATIONS = 200;
/** An expression longer than this is nobody's mental arithmetic. */
const MAX_BACK = 160;
const STATED = /\s{0,4}([-−]?\$?\d[\d,]*(?:\.\d+)?%?)/y;
/** The number goes on into a calculation: "7 + 1 = 8". */
const GOES_ON = /\s{0,4}[-+*/^×÷·−(]/y;
const PART = /[-+*/^×÷·−().,%$\d \t]/;
const OPERATOR = /[\d)%]\s*(?:[-+*/^×÷·−]|\*\*)\s*[-−($\d]/;

/**
 * Equations of numbers in a text: `12 * (3 + 4) = 84`. Walks back from each equals sign, a bounded way, because patterns for
 * nested parentheses backtrack without end on hostile text. What contains a variable is left out.
 */
export function equationsIn(text: string): Equation[] {
  const plain = text
    .replaceAll('\\times', '*')
    .replaceAll('\\div', '/')
    .replace(/(\d)\s{0,3}[xX]\s{0,3}(?=[\d($])/g, '$1 * ');
  const found: Equation[] = [];
  for (let at = plain.indexOf('='); at !== -1; at = plain.indexOf('=', at + 1)) {
    if (found.length >= MAX_EQUATIONS) break;
    const stated = statedAfter(plain, at + 1);
    const expression = stated === undefined ? undefined : expressionBefore(plain, at);
    if (stated !== undefined && expression !== undefined) found.push({ expression, stated });
  }
  return found;
}

function statedAfter(text: string, from: number): string | undefined {
  STATED.lastIndex = from;
  const stated = STATED.exec(text)?.[1];
  if (stated === undefined) return undefined;
  GOES_ON.lastIndex = STATED.lastIndex;
  // "= 5x" and "= 3rd" are no numbers.
  if (GOES_ON.test(text) || /[A-Za-z]/.test(text.charAt(STATED.lastIndex))) return undefined;
  return stated.replace(/,$/, '');
}

function expressionBefore(text: string, equals: number): string | undefined {
  let start = equals;
  while (start > 0 && equals - start < MAX_BACK && PART.test(text.charAt(start - 1))) start--;
  const before = text.charAt(start - 1);
  let expression = text.slice(start, equals);
  const touches = /^\S/.test(expression) && /[A-Za-z_\\{}[\]]/.test(before);
  // "Step 2. 3 + 4" and "1) 3 + 4": what stands before two numbers side by side is not part of the sum.
  const cut = [...expression.matchAll(/[\d).,%]\s+(?=[\d($])/g)].at(-1);
  if (cut !== undefined) expression = expression.slice(cut.index + cut[0].length);
  else if (touches) return undefined;
  expression = expression.trim();
  if (cut === undefined && /^[-+*/^×÷·−]\s/.test(expression)) {
    // A list's bullet, or an operator whose left side is a word.
    if (before !== '\n' && start > 0) return undefined;
    expression = expression.slice(1).trim();
  }
  expression = expression.replace(/^[.,)\s]+/, '');
  return OPERATOR.test(expression) ? expression : undefined;
}
