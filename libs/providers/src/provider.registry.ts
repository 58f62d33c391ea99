import { Injectable, Optional, type OnModuleDestroy } from '@nestjs/common';
import {
  ConfigStore,
  EnvironmentFlags,
  isProviderEnabled,
  type ConfigSnapshot,
  type ProviderConfig,
} from '@sluice/config';
import { DnsCache } from '@sluice/http-client';
import { FeatureFlags, GatewayError, type ChatCall } from '@sluice/kernel';
import { PromptCounter, TokenCounter } from '@sluice/model-catalog';
import { Logger } from '@sluice/observability';
import type { ProviderAdapter } from './provider-adapter.js';
import {
  PROVIDER_CATALOGUE,
  type AdapterContext,
  type AdapterFactory,
} from './provider.catalogue.js';

/** An adapter in use: it is not closed before it is given back. */
export interface AdapterLease {
  readonly adapter: ProviderAdapter;
  /** Only the first time counts. */
  release(): void;
}

class EntryLease implements AdapterLease {
  #released = false;

  constructor(
    readonly adapter: ProviderAdapter,
    private readonly entry: Entry,
    private readonly onIdle: (entry: Entry) => void,
  ) {
    entry.users++;
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.entry.users--;
    this.onIdle(this.entry);
  }
}

export interface ProviderStatus {
  readonly id: string;
  readonly kind: ProviderConfig['kind'];
  readonly enabled: boolean;
}

interface Entry {
  /** The configuration as text: a provider is made anew only when its own lines changed. */
  readonly lines: string;
  readonly adapter: Promise<ProviderAdapter>;
  /** `adapter`, once it has been made. */
  ready: ProviderAdapter | undefined;
  users: number;
  retired: boolean;
}

/** The adapters of the configured providers, made when first used. */
@Injectable()
export class ProviderRegistry implements OnModuleDestroy {
  readonly #entries = new Map<string, Entry>();
  readonly #unsubscribe: () => void;
  readonly #context: AdapterContext;
  #known:
    { readonly snapshot: ConfigSnapshot; readonly byId: Map<string, ProviderConfig> } | undefined;

  constructor(
    private readonly store: ConfigStore,
    private readonly logger: Logger,
    dns: DnsCache,
    tokens: TokenCounter,
    prompts: PromptCounter,
    @Optional() flags: FeatureFlags = new EnvironmentFlags(store),
  ) {
    const keepsAlive = (call?: ChatCall) => flags.isOn('connection_pooling', call);
    this.#context = { dns, tokens, prompts, keepsAlive };
    this.#unsubscribe = store.onChange(() => {
      this.#retireChanged();
    });
  }

  /** The provider's configuration as it serves now. */
  config(id: string): ProviderConfig | undefined {
    const snapshot = this.store.current;
    if (this.#known?.snapshot !== snapshot) {
      this.#known = { snapshot, byId: new Map(snapshot.sluice.providers.map((p) => [p.id, p])) };
    }
    return this.#known.byId.get(id);
  }

  /** False for an unknown provider and for one whose key is absent. */
  isEnabled(id: string): boolean {
    const config = this.config(id);
    return (
      config !== undefined &&
      PROVIDER_CATALOGUE[config.kind] !== undefined &&
      isProviderEnabled(config, this.store.env)
    );
  }

  statuses(): ProviderStatus[] {
    return this.store.current.sluice.providers.map(({ id, kind }) => ({
      id,
      kind,
      enabled: this.isEnabled(id),
    }));
  }

  /** For one quick call; longer ones take a {@link lease}. @throws GatewayError as {@link lease} */
  async adapter(id: string): Promise<ProviderAdapter> {
    return this.#entry(id).adapter;
  }

  /**
   * At once where the adapter has been made: only the first call waits for that.
   * @throws GatewayError model_not_found for a provider that is unknown or disabled
   */
  lease(id: string): AdapterLease | Promise<AdapterLease> {
    const entry = this.#entries.get(id);
    if (entry?.ready === undefined) return this.#leaseNew(id);
    return new EntryLease(entry.ready, entry, this.#closeIdle);
  }

  async #leaseNew(id: string): Promise<AdapterLease> {
    const entry = this.#entry(id);
    entry.users++;
    try {
      entry.ready = await entry.adapter;
      return new EntryLease(entry.ready, entry, this.#closeIdle);
    } catch (error) {
      this.#entries.delete(id);
      throw error;
    } finally {
      entry.users--;
    }
  }

  async onModuleDestroy(): Promise<void> {
    await this.close();
  }

  /** Closes all adapters; running calls end first where the adapter can let them. */
  async close(): Promise<void> {
    this.#unsubscribe();
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    await Promise.allSettled(entries.map(async (entry) => (await entry.adapter).close()));
  }

  #entry(id: string): Entry {
    const known = this.#entries.get(id);
    if (known !== undefined) return known;
    const config = this.config(id);
    if (config === undefined || !this.isEnabled(id)) {
      throw new GatewayError('model_not_found', `Provider '${id}' is not available.`, {
        facts: { provider: id },
      });
    }
    const entry: Entry = {
      lines: JSON.stringify(config),
      adapter: create(config, this.#context),
      ready: undefined,
      users: 0,
      retired: false,
    };
    this.#entries.set(id, entry);
    return entry;
  }

  #retireChanged(): void {
    for (const [id, entry] of this.#entries) {
      const config = this.config(id);
      if (config !== undefined && this.isEnabled(id) && JSON.stringify(config) === entry.lines)
        continue;
      this.#entries.delete(id);
      entry.retired = true;
      this.#closeIdle(entry);
    }
  }

  readonly #closeIdle = (entry: Entry): void => {
    if (!entry.retired || entry.users > 0) return;
    entry.adapter
      .then((adapter) => adapter.close())
      .catch((error: unknown) => {
        this.logger.warn({ err: error }, 'a retired provider could not be closed');
      });
  };
}

async function create(config: ProviderConfig, context: AdapterContext): Promise<ProviderAdapter> {
  const load = PROVIDER_CATALOGUE[config.kind];
  if (load === undefined) throw new TypeError(`no adapter for providers of kind ${config.kind}`);
  // The catalogue pairs each kind with its own factory; the compiler cannot follow the pair through the union.
  const factory = (await load()) as AdapterFactory<ProviderConfig['kind']>;
  return factory(config, context);
}
