import { Injectable } from '@nestjs/common';
import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { ConfigStore } from '@sluice/config';
import type { Caller } from '@sluice/kernel';

export interface CachedEmbedding {
  readonly vector: Float64Array;
  /** What it took to make. */
  readonly tokens: number;
}

const MAX_BYTES = 64 * 1024 ** 2;

/** Embeddings by text hash. An embedding says nothing that the text does not, but who asked for it does: scoped like all entries. */
@Injectable()
export class EmbeddingCache {
  readonly #entries = new LRUCache<string, CachedEmbedding>({
    maxSize: MAX_BYTES,
    sizeCalculation: (entry) => entry.vector.byteLength + 128,
  });

  constructor(private readonly config: ConfigStore) {}

  get(of: EmbeddingScope, input: string | readonly number[]): CachedEmbedding | undefined {
    if (!this.config.current.sluice.cache.enabled) return undefined;
    return this.#entries.get(this.#key(of, input));
  }

  set(of: EmbeddingScope, input: string | readonly number[], entry: CachedEmbedding): void {
    const { cache } = this.config.current.sluice;
    if (!cache.enabled) return;
    this.#entries.set(this.#key(of, input), entry, { ttl: cache.ttl.embeddings });
  }

  #key(of: EmbeddingScope, input: string | readonly number[]): string {
    const { scope, version } = this.config.current.sluice.cache;
    const who =
      scope === 'global'
        ? []
        : scope === 'tenant'
          ? [of.caller.tenant]
          : [of.caller.tenant, of.caller.id];
    return createHash('sha256')
      .update(JSON.stringify([version, who, of.model, of.dimensions ?? null, input]))
      .digest('base64');
  }
}

interface EmbeddingScope {
  readonly caller: Caller;
  readonly model: string;
  readonly dimensions: number | undefined;
}
