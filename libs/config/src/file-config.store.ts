import { readFile } from 'node:fs/promises';
import { unwatchFile, watchFile } from 'node:fs';
import { resolve } from 'node:path';
import { compose, environmentOf, type ConfigContent } from './compose.js';
import { ConfigListeners, type ChangeListener, type ReloadListener } from './config-listeners.js';
import { ConfigStore, type ConfigSnapshot, type ReloadResult } from './config.store.js';
import type { Environment } from './environment.js';
import { parseEnvironment } from './environment.parser.js';
import { ConfigError } from './problem.js';
import { readYaml, type YamlDocument } from './yaml.document.js';

/** Polled, not notified: the same on bind mounts, network disks and Kubernetes' swapped symlinks. */
const POLL_MS = 500;
const DEBOUNCE_MS = 1000;

export interface FileConfigOptions {
  /** Follow changes of the files. Command-line tools that read once turn it off. */
  readonly watch?: boolean;
}

/** The configuration of two files and the environment, reloaded while running. */
export class FileConfigStore extends ConfigStore {
  readonly #source: NodeJS.ProcessEnv;
  readonly #listeners = new ConfigListeners();
  readonly #files: readonly string[];
  #current: ConfigSnapshot;
  #rejected: readonly string[] = [];
  #timer: NodeJS.Timeout | undefined;
  #reloading: Promise<unknown> = Promise.resolve();
  #seen: string;

  private constructor(
    readonly env: Environment,
    source: NodeJS.ProcessEnv,
    loaded: LoadedFiles,
  ) {
    super();
    this.#source = source;
    this.#files = [resolve(env.SLUICE_CONFIG), resolve(env.SLUICE_POLICIES)];
    this.#current = { version: 1, loadedAt: new Date(), ...loaded.content() };
    this.#seen = loaded.texts;
  }

  /** @throws ConfigError listing every problem of both files and the environment */
  static async open(
    source: NodeJS.ProcessEnv,
    options: FileConfigOptions = {},
  ): Promise<FileConfigStore> {
    const { SLUICE_CONFIG: sluice, SLUICE_POLICIES: policies } = paths(source);
    const loaded = await load(sluice, policies, source);
    loaded.content();
    const store = new FileConfigStore(environmentOf(source), source, loaded);
    if (options.watch ?? true) store.#watch();
    return store;
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

  reload(): Promise<ReloadResult> {
    return this.#enqueue(false);
  }

  /** Stops following the files. Nest calls it at shutdown. */
  onModuleDestroy(): void {
    clearTimeout(this.#timer);
    for (const file of this.#files) unwatchFile(file, this.#changed);
  }

  #watch(): void {
    for (const file of this.#files) {
      watchFile(file, { interval: POLL_MS, persistent: false }, this.#changed);
    }
  }

  readonly #changed = (): void => {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#enqueue(true), DEBOUNCE_MS);
    this.#timer.unref();
  };

  /** One reload at a time: a slow older read must not overtake a newer one. */
  #enqueue(onlyIfNew: boolean): Promise<ReloadResult> {
    const run = this.#reloading.then(() => this.#apply(onlyIfNew));
    this.#reloading = run;
    return run;
  }

  async #apply(onlyIfNew: boolean): Promise<ReloadResult> {
    const loaded = await load(this.env.SLUICE_CONFIG, this.env.SLUICE_POLICIES, this.#source);
    if (onlyIfNew && loaded.texts === this.#seen) return this.#result(this.#rejected);
    this.#seen = loaded.texts;
    try {
      const previous = this.#current;
      const content = loaded.content();
      this.#current = { version: previous.version + 1, loadedAt: new Date(), ...content };
      this.#rejected = [];
      this.#listeners.changed(this.#current, previous);
    } catch (error) {
      this.#rejected = error instanceof ConfigError ? error.problems : [String(error)];
    }
    const result = this.#result(this.#rejected);
    this.#listeners.reloaded(result);
    return result;
  }

  #result(problems: readonly string[]): ReloadResult {
    return { applied: problems.length === 0, version: this.#current.version, problems };
  }
}

interface LoadedFiles {
  /** Both texts as one, to tell a touched file from a changed one. */
  readonly texts: string;
  /** @throws ConfigError */
  content(): ConfigContent;
}

async function load(
  sluice: string,
  policies: string,
  env: NodeJS.ProcessEnv,
): Promise<LoadedFiles> {
  const [first, second] = await Promise.all([
    readDocument(sluice, 'SLUICE_CONFIG', env),
    readDocument(policies, 'SLUICE_POLICIES', env),
  ]);
  return {
    texts: JSON.stringify([first.text, second.text]),
    content: () => compose(first.document, second.document, env),
  };
}

async function readDocument(
  file: string,
  variable: string,
  env: NodeJS.ProcessEnv,
): Promise<{ text: string; document: YamlDocument }> {
  try {
    const text = await readFile(resolve(file), 'utf8');
    return { text, document: readYaml(file, text, env) };
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? String(error);
    const document = readYaml(file, '', env);
    const message = `cannot be read (${reason}); ${variable} names this file`;
    return {
      text: reason,
      document: { ...document, problems: [{ where: file, path: '', message }] },
    };
  }
}

/** Where the files are, known even when other variables are wrong, so that all problems come at once. */
function paths(source: NodeJS.ProcessEnv): Pick<Environment, 'SLUICE_CONFIG' | 'SLUICE_POLICIES'> {
  const { environment } = parseEnvironment({
    SLUICE_CONFIG: source.SLUICE_CONFIG,
    SLUICE_POLICIES: source.SLUICE_POLICIES,
  });
  return environment ?? { SLUICE_CONFIG: '', SLUICE_POLICIES: '' };
}
