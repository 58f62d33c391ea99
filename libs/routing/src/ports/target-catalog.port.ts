import {
  isProviderEnabled,
  type ConfigStore,
  type Environment,
  type ModelConfig,
  type ProviderConfig,
  type SluiceConfig,
} from '@sluice/config';
import type { Target } from '@sluice/kernel';
import type { ModelCatalog } from '@sluice/model-catalog';

/** A configured model as the router sees it. */
export interface RoutableModel {
  readonly target: Target;
  readonly config: ModelConfig;
  readonly providerKind: ProviderConfig['kind'];
  /** False when the provider has no key: its models do not exist for callers. */
  readonly enabled: boolean;
  /** Share of the calls among the models of one pool. */
  readonly weight: number;
  /** Models with the same pool are one upstream model at several places: whichever answers, the caller gets the same. */
  readonly pool: string;
}

/** All models of one configuration version, with the prices that hold now. */
export abstract class TargetCatalog {
  abstract list(): readonly RoutableModel[];
  abstract find(model: string): RoutableModel | undefined;
}

/** The models of the configuration that serves now. */
export class ConfigTargetCatalog extends TargetCatalog {
  #source: readonly Target[] | undefined;
  #models: ReadonlyMap<string, RoutableModel> = new Map();
  #list: readonly RoutableModel[] = [];

  constructor(
    private readonly config: ConfigStore,
    private readonly catalog: ModelCatalog,
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
    // A new configuration, or a price that begins today, makes new targets.
    const { targets } = this.catalog;
    if (this.#source === targets) return;
    this.#list = modelsOf(this.config.current.sluice, this.config.env, targets);
    this.#models = new Map(this.#list.map((model) => [model.target.model, model]));
    this.#source = targets;
  }
}

/** @param targets one for each model of the configuration */
function modelsOf(
  sluice: SluiceConfig,
  env: Environment,
  targets: readonly Target[],
): RoutableModel[] {
  const providers = new Map(sluice.providers.map((provider) => [provider.id, provider]));
  const models = new Map(sluice.models.map((model) => [model.id, model]));
  return targets.flatMap((target) => {
    const provider = providers.get(target.provider);
    const config = models.get(target.model);
    if (provider === undefined || config === undefined) return [];
    return [
      {
        target,
        config,
        providerKind: provider.kind,
        enabled: isProviderEnabled(provider, env),
        weight: config.weight * provider.weight,
        pool: poolOf(target, config),
      },
    ];
  });
}

/** Everything but where it runs: models are equal when the caller and the bill cannot tell them apart. */
function poolOf(target: Target, config: ModelConfig): string {
  const { upstream, price, grade, capabilities, contextTokens, maxOutputTokens } = target;
  return JSON.stringify([
    upstream,
    price,
    grade,
    capabilities.toSorted(),
    contextTokens,
    maxOutputTokens,
    config.tiers?.toSorted(),
    config.hybrid,
  ]);
}
