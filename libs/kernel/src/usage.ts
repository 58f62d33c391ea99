/**
 * Tokens of one call. The classes are disjoint parts of the totals: `cachedInput` and `cacheWrite`
 * are included in `input`, `reasoning` is included in `output`, so each token is counted once.
 */
export interface Usage {
  readonly input: number;
  readonly output: number;
  readonly cachedInput: number;
  readonly cacheWrite: number;
  readonly reasoning: number;
  /** True when any number is our own count and not the provider's report. */
  readonly estimated: boolean;
}

export const NO_USAGE: Usage = Object.freeze({
  input: 0,
  output: 0,
  cachedInput: 0,
  cacheWrite: 0,
  reasoning: 0,
  estimated: false,
});

export function usage(parts: Partial<Usage>): Usage {
  return { ...NO_USAGE, ...parts };
}

export function addUsage(a: Usage, b: Usage): Usage {
  if (a === NO_USAGE) return b;
  return {
    input: a.input + b.input,
    output: a.output + b.output,
    cachedInput: a.cachedInput + b.cachedInput,
    cacheWrite: a.cacheWrite + b.cacheWrite,
    reasoning: a.reasoning + b.reasoning,
    estimated: a.estimated || b.estimated,
  };
}
