import type { Span } from './period.js';

export type Unit = 'tokens' | 'input_tokens' | 'output_tokens' | 'micro_usd';
export type ScopeKind = 'system' | 'provider' | 'model' | 'tier' | 'tenant' | 'caller';

/** One limit of one scope: at most `limit` units in each calendar day or month. */
export interface Limit {
  readonly kind: ScopeKind;
  /** `system`, `provider:openai`, `model:gpt-4o-mini`, `tier:free`, `tenant:acme`, `caller:acme/ann`. */
  readonly scope: string;
  readonly unit: Unit;
  readonly span: Span;
  readonly limit: number;
}

/** The name of a limit's counter in one period. The period is what follows the last bar. */
export function counterKey(limit: Limit, period: string): string {
  return `${limit.scope}|${limit.unit}|${period}`;
}

/** The inverse of {@link counterKey}: scope, unit, period. Scopes may hold bars, units and periods do not. */
export function partsOf(counter: string): readonly [scope: string, unit: Unit, period: string] {
  const last = counter.lastIndexOf('|');
  const middle = counter.lastIndexOf('|', last - 1);
  const unit = counter.slice(middle + 1, last) as Unit;
  return [counter.slice(0, middle), unit, counter.slice(last + 1)];
}

/** Tokens and money of one call, by which each unit takes its part. */
export interface Amounts {
  readonly input: number;
  readonly output: number;
  readonly microUsd: number;
}

export const NOTHING: Amounts = Object.freeze({ input: 0, output: 0, microUsd: 0 });

export function amountOf(unit: Unit, amounts: Amounts): number {
  switch (unit) {
    case 'tokens':
      return amounts.input + amounts.output;
    case 'input_tokens':
      return amounts.input;
    case 'output_tokens':
      return amounts.output;
    case 'micro_usd':
      return amounts.microUsd;
  }
}
