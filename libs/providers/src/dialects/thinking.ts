import type { Part, Prompt } from '@sluice/kernel';
import { GEMINI_SIGNATURE, type Turn } from './turns.js';

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
/** The share of a bounded answer that a mere word of effort may take: thoughts that leave nothing to be said help nobody. */
const LARGEST_SHARE = 0.8;

/** Tokens of thinking that a prompt asks Claude for; undefined for none, also where its bound on all tokens leaves no room. */
export function thinkingBudget({ reasoning, maxTokens = Infinity }: Prompt): number | undefined {
  const { effort, budgetTokens } = reasoning ?? {};
  const wanted = budgetTokens ?? (effort === undefined ? undefined : BUDGETS[effort]);
  if (wanted === undefined) return undefined;
  const room = budgetTokens === undefined ? Math.floor(maxTokens * LARGEST_SHARE) : maxTokens;
  const budget = Math.min(Math.max(MIN_THINKING, Math.min(wanted, room)), maxTokens - 1);
  return budget < MIN_THINKING ? undefined : budget;
}

/** Claude does not think where it must call a tool, nor (within a budget) where it has lost its earlier thoughts. */
export function mustNotThink(
  { toolChoice }: Prompt,
  turns: readonly Turn[],
  how: 'adaptive' | 'budget',
): boolean {
  if (toolChoice?.type === 'required' || toolChoice?.type === 'tool') return true;
  return how === 'budget' && lacksThoughts(turns);
}

/**
 * With a budget of thinking, Claude's turn that called the tools must come back with its thoughts. Clients of dialects that
 * have no place for them cannot send them: their tools are answered without further thinking, else not at all.
 */
function lacksThoughts(turns: readonly Turn[]): boolean {
  const last = turns.findLast(({ role }) => role === 'assistant');
  if (!last?.parts.some(({ part }) => part.type === 'tool_call')) return false;
  return !last.parts.some(({ part }) => isClaudes(part));
}

/** A thought that Claude has signed or sealed: it takes no others. */
export function isClaudes(part: Part): boolean {
  if (part.type !== 'reasoning') return false;
  if (part.redacted !== undefined) return true;
  return part.signature !== undefined && !part.signature.startsWith(GEMINI_SIGNATURE);
}
