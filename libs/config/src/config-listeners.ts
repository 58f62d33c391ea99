import type { ConfigSnapshot, ReloadResult } from './config.store.js';

export type ChangeListener = (next: ConfigSnapshot, previous: ConfigSnapshot) => void;
export type ReloadListener = (result: ReloadResult) => void;

/** Who wants to hear of a new version. One listener's failure does not silence the others. */
export class ConfigListeners {
  readonly #change = new Set<ChangeListener>();
  readonly #reload = new Set<ReloadListener>();

  onChange(listener: ChangeListener): () => void {
    this.#change.add(listener);
    return () => void this.#change.delete(listener);
  }

  onReload(listener: ReloadListener): () => void {
    this.#reload.add(listener);
    return () => void this.#reload.delete(listener);
  }

  changed(next: ConfigSnapshot, previous: ConfigSnapshot): void {
    for (const listener of this.#change) attempt(() => listener(next, previous));
  }

  reloaded(result: ReloadResult): void {
    for (const listener of this.#reload) attempt(() => listener(result));
  }
}

function attempt(call: () => void): void {
  try {
    call();
  } catch (error) {
    process.emitWarning(error instanceof Error ? error : new Error(String(error)));
  }
}
