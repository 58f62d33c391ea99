import { Injectable } from '@nestjs/common';
import {
  ConfigStore,
  isProviderEnabled,
  type ConfigSnapshot,
  type Environment,
  type ModelConfig,
  type ProviderConfig,
} from '@sluice/config';
import { Clock, type Price, type Target } from '@sluice/kernel';

/** A configured model as the router sees it. */
export interface RoutableModel {
  readonly target: Target;
  readonly config: ModelConfig;
  readonly providerKind: ProviderConfig['kind'];
  /** False when the provider has no key: its models do not exist for callers. */
  readonly enabled: boolean;
}

/** All models of one configuration version, with the prices that hold now. */
export abstract class TargetCatalog {
  abstract list(): readonly RoutableModel[];
  abstract find(model: string): RoutableModel | undefined;
}

const PRICE_REFRESH_MS = 60_000;

/** Reads models and prices from the YAML alone. */
@Injectable()
export class ConfigTargetCatalog extends TargetCatalog {
  #source: ConfigSnapshot | undefined;
  #builtAt = 0;
  #models = new Map<string, RoutableModel>();
  #list: readonly RoutableModel[] = [];

  constructor(
    private readonly config: ConfigStore,
    private readonly clock: Clock,
  ) {
    super();
  }

  list(): readonly RoutableModel[] {
    this.#refresh();
    return this.#list;
  }

  find(model: string): RoutableModel | undefined {
    this.#refresh();
    return this.#models.get(model);
  }

  #refresh(): void {
    const snapshot = this.config.current;
    const now = this.clock.now();
    // Prices are effective-dated, so even an unchanged configuration changes at midnight.
    if (this.#source === snapshot && now - this.#builtAt < PRICE_REFRESH_MS) return;
    this.#list = modelsOf(snapshot, this.config.env, now);
    this.#models = new Map(this.#list.map((model) => [model.target.model, model]));
    this.#source = snapshot;
    this.#builtAt = now;
  }
}

export function modelsOf(
  snapshot: Pick<ConfigSnapshot, 'sluice'>,
  env: Environment,
  now: number,
): RoutableModel[] {
  const providers = new Map(snapshot.sluice.providers.map((provider) => [provider.id, provider]));
  return snapshot.sluice.models.flatMap((config) => {
    const provider = providers.get(config.provider);
    if (provider === undefined) return [];
    const target: Target = {
      model: config.id,
      provider: config.provider,
      upstream: config.upstream ?? config.id,
      price: priceAt(config.price, now),
      grade: config.grade,
      capabilities: config.capabilities,
      contextTokens: config.contextTokens,
      maxOutputTokens: config.maxOutputTokens,
    };
    return [
      { target, config, providerKind: provider.kind, enabled: isProviderEnabled(provider, env) },
    ];
  });
}

function priceAt(price: ModelConfig['price'], now: number): Price | undefined {
  if (!Array.isArray(price)) return price;
  const today = new Date(now).toISOString().slice(0, 10);
  return price
    .filter((entry) => entry.from <= today)
    .toSorted((a, b) => a.from.localeCompare(b.from))
    .at(-1);
}
