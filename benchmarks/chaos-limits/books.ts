import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { PROMPT } from './load.js';

/** The prompt as OpenAI counts it: three for the message, three before the answer. */
export const PROMPT_TOKENS = 6 + countTokens(PROMPT);
/** USD per million tokens. */
export const PRICE = { input: 1, output: 2 };
/** Callers of the tier that together reach the system's limit; one more has a tier whose own limit it reaches. */
export const CROWD = 20;

export interface Budgets {
  /** USD that the whole gateway may spend: the limit that the run must reach. */
  readonly system: number;
}

export function gatewayConfig(upstream: string): string {
  return `
providers:
  - { id: up, kind: openai, baseUrl: "${upstream}/v1", auth: none, maxConcurrent: 5000 }
models:
  - { id: chaos, provider: up, grade: simple, price: { input: ${PRICE.input}, output: ${PRICE.output} }, contextTokens: 128000, maxOutputTokens: 16384, retries: 0 }
`;
}

/** Every kind of scope, in money or tokens; nothing stops by itself before its limit. */
export function policies({ system }: Budgets, webhook: string): string {
  const tokens = Math.round(system * 2_000_000);
  return `
tiers:
  crowd: { tokens: { perDay: ${tokens} }, budget: { monthlyUsd: ${system / 5} }, total: { budget: { monthlyUsd: ${system * 1.5} }, tokens: { perDay: ${tokens} } }, priority: 1 }
  small: { budget: { monthlyUsd: ${system / 20} }, priority: 2 }
  admin: {}
tenants:
  default: { tokens: { perMonth: ${tokens} }, budget: { dailyUsd: ${system * 1.2} } }
providers:
  up:
    budget: { monthlyUsd: ${system * 1.1} }
    models: { chaos: { inputTokensPerDay: ${tokens}, outputTokensPerDay: ${tokens}, budget: { monthlyUsd: ${system * 2} } } }
system: { budget: { monthlyUsd: ${system} }, tokensPerMonth: ${tokens} }
alerts: { thresholds: [0.5, 0.75, 0.9, 0.95], webhook: "${webhook}" }
emergency: { shutdownAt: 1 }
throttle: { queue: { maxWaiting: 5000, maxWait: 5s } }
`;
}

export type BilledCall = readonly [tag: string, input: number, output: number];

/** What the provider will bill for a call, in the unit of a limit. */
export function billed([, input, output]: BilledCall, unit: string): number {
  if (unit === 'input_tokens') return input;
  if (unit === 'output_tokens') return output;
  if (unit === 'tokens') return input + output;
  return (input * PRICE.input + output * PRICE.output) / 1e6;
}

/** Whether a call falls under a limit: `caller:default/c7` takes those tagged `c7/…`. */
export function fallsUnder([tag]: BilledCall, scope: string): boolean {
  const caller = tag.slice(0, tag.indexOf('/'));
  if (scope.startsWith('caller:')) return scope === `caller:default/${caller}`;
  if (scope.startsWith('tier:')) return scope === `tier:${caller === 'small' ? 'small' : 'crowd'}`;
  return true;
}
