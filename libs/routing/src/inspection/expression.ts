const TOKEN = /\d[\d,]*(?:\.\d+)?%?|\*\*|[-+*/^()]/g;
const POWER: Readonly<Record<string, number>> = { '+': 1, '-': 1, '*': 2, '/': 2, '^': 3 };

/** The value of an arithmetic expression with + − * / ^ and parentheses; undefined for anything else. Never throws. */
export function evaluate(expression: string): number | undefined {
  const text = expression
    .replace(/[×·]|(?<=[\d\s)])x(?=[\d\s($])/gi, '*')
    .replace(/÷/g, '/')
    .replace(/−/g, '-')
    .replace(/[$\s]/g, '');
  const tokens = text.match(TOKEN) ?? [];
  if (tokens.join('') !== text || tokens.length === 0 || tokens.length > 200) return undefined;
  const parser = new Parser(tokens);
  const value = parser.sum(0);
  return parser.done && value !== undefined && Number.isFinite(value) ? value : undefined;
}

class Parser {
  #at = 0;
  constructor(private readonly tokens: readonly string[]) {}

  get done(): boolean {
    return this.#at === this.tokens.length;
  }

  /** Precedence climbing; `^` binds to the right. */
  sum(least: number): number | undefined {
    let left = this.#atom();
    for (;;) {
      const operator = this.tokens[this.#at]?.replace('**', '^') ?? '';
      const power = POWER[operator];
      if (left === undefined || power === undefined || power < least) return left;
      this.#at++;
      const right = this.sum(operator === '^' ? power : power + 1);
      if (right === undefined) return undefined;
      left = apply(operator, left, right);
    }
  }

  #atom(): number | undefined {
    const token = this.tokens[this.#at++];
    if (token === undefined) return undefined;
    if (token === '-' || token === '+') {
      const value = this.sum(3);
      return value === undefined ? undefined : token === '-' ? -value : value;
    }
    if (token === '(') {
      const value = this.sum(0);
      return this.tokens[this.#at++] === ')' ? value : undefined;
    }
    const number = Number(token.replace(/[,%]/g, ''));
    if (!Number.isFinite(number)) return undefined;
    return token.endsWith('%') ? number / 100 : number;
  }
}

function apply(operator: string, a: number, b: number): number {
  switch (operator) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      return a / b;
    default:
      return a ** b;
  }
}
