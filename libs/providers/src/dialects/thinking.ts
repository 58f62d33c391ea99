import type { Prompt } from '@sluice/kernel';

/** The least that Claude takes for thinking. */
export const MIN_THINKING = 1024;
/** Claude's tokens of thinking for each word of effort. */
const BUDGETS: Readonly<Record<string, number>> = {
  minimal: MIN_THINKING,
  low: 2048,
  medium: 8192,
  high: 16_384,
  xhigh: 24_576,
  max: 32_000,
};

/** Tokens of thinking that a prompt asks Claude for; undefined for none, also where its bound on all tokens leaves no room. */
export function thinkingBudget({ reasoning, maxTokens }: Prompt): number | undefined {
  const { effort, budgetTokens } = reasoning ?? {};
  const wanted = budgetTokens ?? (effort === undefined ? undefined : BUDGETS[effort]);
  if (wanted === undefined) return undefined;
  const budget = Math.min(Math.max(MIN_THINKING, wanted), (maxTokens ?? Infinity) - 1);
  return budget < MIN_THINKING ? undefined : budget;
}
