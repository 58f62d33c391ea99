import { Injectable } from '@nestjs/common';
import { ConfigStore, type ConfigSnapshot, type ModelConfig } from '@sluice/config';
import {
  Clock,
  type MicroUsd,
  type Price,
  type Prompt,
  type Target,
  type Usage,
} from '@sluice/kernel';
import { PromptCounter } from './prompt.counter.js';
import { TokenCounter } from './token.counter.js';
import { costOf } from './usage.cost.js';

interface View {
  readonly snapshot: ConfigSnapshot;
  /** Epoch milliseconds of the next dated price, when this view is out of date. */
  readonly until: number;
  readonly targets: readonly Target[];
  readonly byId: ReadonlyMap<string, Target>;
  readonly models: ReadonlyMap<string, ModelConfig>;
}

/** The configured models with the prices of today. Always of the configuration that serves now. */
@Injectable()
export class ModelCatalog {
  #view: View | undefined;

  constructor(
    private readonly config: ConfigStore,
    private readonly clock: Clock,
    private readonly tokens: TokenCounter,
    private readonly prompts: PromptCounter,
  ) {}

  /** Every model in the order of the configuration, also of disabled providers. */
  get targets(): readonly Target[] {
    return this.#current().targets;
  }

  get(id: string): Target | undefined {
    return this.#current().byId.get(id);
  }

  /** The model's own entry in the configuration. */
  model(id: string): ModelConfig | undefined {
    return this.#current().models.get(id);
  }

  /** The price that holds at `date`; undefined for an unknown model, one without a price, or a date before its first. */
  priceAt(id: string, date: Date): Price | undefined {
    const model = this.model(id);
    return model === undefined ? undefined : priceOf(model, date.getTime());
  }

  /** What a usage costs at a price; see {@link costOf}. */
  cost(usage: Usage, price: Price | undefined): MicroUsd {
    return costOf(usage, price);
  }

  /** Exact count; see {@link TokenCounter.count}. */
  countTokens(text: string): Promise<number> {
    return this.tokens.count(text);
  }

  /** Tokens of a whole prompt; see {@link PromptCounter.countPrompt}. */
  countPrompt(prompt: Prompt): number | Promise<number> {
    return this.prompts.countPrompt(prompt);
  }

  /** The same at once, estimated where it was not counted before. */
  countPromptNow(prompt: Prompt): { readonly tokens: number; readonly exact: boolean } {
    return this.prompts.countPromptNow(prompt);
  }

  #current(): View {
    const snapshot = this.config.current;
    const view = this.#view;
    if (view?.snapshot === snapshot && this.clock.now() < view.until) return view;
    this.#view = viewOf(snapshot, this.clock.now());
    return this.#view;
  }
}

function viewOf(snapshot: ConfigSnapshot, now: number): View {
  const { models } = snapshot.sluice;
  const targets = models.map((model): Target => ({
    model: model.id,
    provider: model.provider,
    upstream: model.upstream ?? model.id,
    price: priceOf(model, now),
    grade: model.grade,
    capabilities: model.capabilities,
    contextTokens: model.contextTokens,
    maxOutputTokens: model.maxOutputTokens,
  }));
  const changes = models
    .flatMap(({ price }) => (Array.isArray(price) ? price.map((dated) => startOf(dated)) : []))
    .filter((start) => start > now);
  return {
    snapshot,
    until: Math.min(Infinity, ...changes),
    targets,
    byId: new Map(targets.map((target) => [target.model, target])),
    models: new Map(models.map((model) => [model.id, model])),
  };
}

function priceOf({ price }: ModelConfig, at: number): Price | undefined {
  if (!Array.isArray(price)) return price;
  let newest: (typeof price)[number] | undefined;
  for (const dated of price) {
    if (startOf(dated) > at) continue;
    if (newest === undefined || startOf(dated) >= startOf(newest)) newest = dated;
  }
  if (newest === undefined) return undefined;
  const { from: _, ...rest } = newest;
  return rest;
}

/** A price begins with its UTC day. */
function startOf(dated: { readonly from: string }): number {
  return Date.parse(`${dated.from}T00:00:00Z`);
}
