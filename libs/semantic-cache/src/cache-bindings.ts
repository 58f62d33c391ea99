import { Injectable } from '@nestjs/common';
import type { FreshAnswer } from './control/fresh-answer.js';
import type { EmbeddingClient } from './embedders/embedding-client.js';
import type { WarmRunner } from './warming/warm-runner.js';

export interface CachePorts {
  readonly fresh?: FreshAnswer;
  readonly warm?: WarmRunner;
  readonly embeddings?: EmbeddingClient;
}

/**
 * Where the app plugs in what lies behind the cache. They are handed over after construction because they run
 * the pipeline, of which the cache is a part: as constructor arguments they would be a circle.
 */
@Injectable()
export class CacheBindings {
  #ports: CachePorts = {};
  readonly #waiting: (() => void)[] = [];
  readonly #keepers: ((isGone: (key: string) => boolean) => void)[] = [];

  bind(ports: CachePorts): void {
    this.#ports = { ...this.#ports, ...ports };
    for (const listener of this.#waiting) listener();
  }

  get fresh(): FreshAnswer | undefined {
    return this.#ports.fresh;
  }
  get warm(): WarmRunner | undefined {
    return this.#ports.warm;
  }
  get embeddings(): EmbeddingClient | undefined {
    return this.#ports.embeddings;
  }

  /** Hears of every clearing, here or on another replica: which keys are gone. */
  onCleared(listener: (isGone: (key: string) => boolean) => void): void {
    this.#keepers.push(listener);
  }

  /** Tells who keeps entries under this room's keys. */
  cleared(isGone: (key: string) => boolean): void {
    for (const keeper of this.#keepers) keeper(isGone);
  }

  onBound(listener: () => void): void {
    this.#waiting.push(listener);
  }
}
