import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { ConfigStore } from '@sluice/config';
import { DeferredWork } from '@sluice/observability';
import { CacheStorage } from './cache-storage.js';
import { ShadowChecks } from './control/shadow-checks.js';
import { StateFile } from './control/state-file.js';

const EVERY_MS = 60_000;

/** Sweeps what has expired, and keeps what the controller learned over a restart. */
@Injectable()
export class CacheHousekeeping implements OnApplicationBootstrap, OnModuleDestroy {
  #timer: NodeJS.Timeout | undefined;
  readonly #learned: StateFile;
  #restored: Promise<void> | undefined;

  constructor(
    config: ConfigStore,
    private readonly storage: CacheStorage,
    private readonly checks: ShadowChecks,
    private readonly deferred: DeferredWork,
  ) {
    const { embedder } = config.current.sluice.cache.semantic;
    // Evidence about one embedder's scores says nothing about another's.
    const name = `cache-evidence.${embedder.replace(/\W/g, '_')}.json`;
    this.#learned = new StateFile(config.env.SLUICE_DATA_DIR, name);
  }

  onApplicationBootstrap(): void {
    this.#restored = this.#learned.read().then((state) => {
      this.checks.controller.restore(state);
    });
    this.#timer = setInterval(() => {
      this.deferred.run('cache housekeeping', () => this.tidy());
    }, EVERY_MS);
    this.#timer.unref();
  }

  async onModuleDestroy(): Promise<void> {
    clearInterval(this.#timer);
    if (this.#restored === undefined) return;
    await this.#restored;
    await this.#learned.write(this.checks.controller.save()).catch(() => undefined);
  }

  async tidy(): Promise<void> {
    await this.storage.sweep();
    await this.#learned.write(this.checks.controller.save());
  }
}
