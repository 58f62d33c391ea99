import { stringify } from 'yaml';
import { compose, environmentOf, type ConfigContent } from './compose.js';
import { ConfigListeners, type ChangeListener, type ReloadListener } from './config-listeners.js';
import { ConfigStore, type ConfigSnapshot, type ReloadResult } from './config.store.js';
import type { Environment } from './environment.js';
import type { PoliciesConfigInput } from './policies.schema.js';
import type { SluiceConfigInput } from './sluice.schema.js';
import { readYaml } from './yaml.document.js';

export interface ConfigObjects {
  /** As in sluice.yaml; what is left out has its default. */
  readonly sluice?: SluiceConfigInput;
  /** As in policies.yaml. */
  readonly policies?: PoliciesConfigInput;
  /** Variables as the process has them: `{ RATE_LIMIT_FREE_PER_HOUR: '100' }`. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A configuration in memory, checked by the same rules as the files. */
export class StaticConfigStore extends ConfigStore {
  readonly env: Environment;
  readonly #listeners = new ConfigListeners();
  #objects: ConfigObjects;
  #rejected: readonly string[] = [];
  #current: ConfigSnapshot;

  /** @throws ConfigError */
  constructor(objects: ConfigObjects = {}) {
    super();
    this.#objects = objects;
    // First: its error lists the problems of the environment too.
    const content = contentOf(objects);
    this.env = environmentOf({ ...objects.env });
    this.#current = { version: 1, loadedAt: new Date(), ...content };
  }

  get current(): ConfigSnapshot {
    return this.#current;
  }

  get rejected(): readonly string[] {
    return this.#rejected;
  }

  onChange(listener: ChangeListener): () => void {
    return this.#listeners.onChange(listener);
  }

  onReload(listener: ReloadListener): () => void {
    return this.#listeners.onReload(listener);
  }

  async reload(): Promise<ReloadResult> {
    return this.replace({});
  }

  /** Serves a new version, with the files that are named exchanged. @throws ConfigError and keeps the old one */
  replace(objects: Pick<ConfigObjects, 'sluice' | 'policies'>): ReloadResult {
    const merged = { ...this.#objects, ...objects };
    const content = contentOf(merged);
    const previous = this.#current;
    this.#objects = merged;
    this.#current = { version: previous.version + 1, loadedAt: new Date(), ...content };
    this.#rejected = [];
    this.#listeners.changed(this.#current, previous);
    const result = { applied: true, version: this.#current.version, problems: [] };
    this.#listeners.reloaded(result);
    return result;
  }

  /** As if a reload had found these problems: the current version goes on serving. */
  refuse(problems: readonly string[]): ReloadResult {
    this.#rejected = problems;
    const result = { applied: false, version: this.#current.version, problems };
    this.#listeners.reloaded(result);
    return result;
  }
}

/** For tests: `configFromObjects({ sluice: { providers: [{ id: 'a', kind: 'sandbox' }] } })`. */
export function configFromObjects(objects: ConfigObjects = {}): StaticConfigStore {
  return new StaticConfigStore(objects);
}

function contentOf({ sluice = {}, policies = {}, env = {} }: ConfigObjects): ConfigContent {
  return compose(
    readYaml('sluice.yaml', stringify(sluice), env),
    readYaml('policies.yaml', stringify(policies), env),
    env,
  );
}
