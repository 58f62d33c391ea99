import type { ChatCall } from '@sluice/kernel';
import type { PromptFeatures } from '../decisions/decision.js';
import type { RoutableModel } from '../ports/target-catalog.port.js';
import { unhealthy, type HealthReading } from '../ports/target-health.port.js';

export interface FilterInput {
  readonly call: ChatCall;
  readonly features: PromptFeatures;
  readonly model: RoutableModel;
  readonly health: HealthReading;
  /** Epoch ms. */
  readonly now: number;
}

export type FilterName = 'access' | 'capability' | 'window' | 'health';

/** Why the model cannot take the call; undefined when it can. In this order, so that the last reason is the nearest. */
const FILTERS: Readonly<Record<FilterName, (input: FilterInput) => string | undefined>> = {
  access: ({ call, model }) => {
    if (!model.enabled) return `provider ${model.target.provider} has no key`;
    return mayUse(call, model) ? undefined : `not open to tier ${call.caller.tier}`;
  },
  capability: ({ features, model }) => {
    if (model.target.capabilities.includes('embeddings')) return 'makes embeddings only';
    const missing = features.needs.filter((need) => !model.target.capabilities.includes(need));
    return missing.length === 0 ? undefined : `no ${missing.join(', ')}`;
  },
  window: ({ features, model }) => {
    const window = model.target.contextTokens;
    if (window === undefined || features.promptTokens + reserve(features) <= window)
      return undefined;
    return `window of ${window} tokens is smaller than the prompt (about ${features.promptTokens})`;
  },
  health: ({ health, now }) => unhealthy(health, now),
};

export interface Removal {
  readonly filter: FilterName;
  readonly reason: string;
}

export function mayUse(call: ChatCall, model: RoutableModel): boolean {
  return model.config.tiers?.includes(call.caller.tier) ?? true;
}

export function removalOf(input: FilterInput): Removal | undefined {
  for (const [filter, judge] of Object.entries(FILTERS) as [
    FilterName,
    (i: FilterInput) => string | undefined,
  ][]) {
    const reason = judge(input);
    if (reason !== undefined) return { filter, reason };
  }
  return undefined;
}

/** Room for the answer: an upstream refuses a prompt that leaves none for what was asked. */
function reserve(features: PromptFeatures): number {
  return features.maxTokens ?? 1;
}
