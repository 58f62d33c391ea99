import { Injectable, Optional } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { ConfigStore, EnvironmentFlags } from '@sluice/config';
import { Clock, FeatureFlags, type ChatCall } from '@sluice/kernel';
import { CacheBindings, CacheIdentities } from '@sluice/semantic-cache';

export interface CachedEmbedding {
  readonly vector: Float64Array;
  /** What it took to make. */
  readonly tokens: number;
}

interface Entry extends CachedEmbedding {
  /** Milliseconds since the epoch. */
  readonly storedAt: number;
  readonly expiresAt: number;
}

type Input = string | readonly number[];

const MAX_BYTES = 64 * 1024 ** 2;

/**
 * Embeddings by text. An embedding says nothing that the text does not, but who asked for it does: named, scoped, asked for and
 * cleared like all entries of the cache.
 */
@Injectable()
export class EmbeddingCache {
  readonly #flags: FeatureFlags;
  #clearings = 0;
  readonly #entries = new LRUCache<string, Entry>({
    maxSize: MAX_BYTES,
    sizeCalculation: (entry) => entry.vector.byteLength + 256,
  });

  constructor(
    private readonly config: ConfigStore,
    private readonly identities: CacheIdentities,
    private readonly clock: Clock,
    bindings: CacheBindings,
    @Optional() flags?: FeatureFlags,
  ) {
    this.#flags = flags ?? new EnvironmentFlags(config);
    bindings.onCleared((isGone) => {
      this.#clearings++;
      for (const key of [...this.#entries.keys()]) if (isGone(key)) this.#entries.delete(key);
    });
  }

  /** The number of clearings so far: the generation of what is asked for now. */
  get generation(): number {
    return this.#clearings;
  }

  /** False when the operator or the caller wants nothing of it. */
  isFor(call: ChatCall): boolean {
    const { mode, noStore } = call.cache;
    if (mode === 'off' || noStore) return false;
    return this.config.current.sluice.cache.enabled && this.#flags.isOn('response_cache', call);
  }

  /** @param settings all that makes another vector of the same text */
  get(call: ChatCall, settings: string, input: Input): CachedEmbedding | undefined {
    const { mode, noCache, maxAgeSeconds = Infinity } = call.cache;
    if (noCache || mode === 'refresh' || !this.isFor(call)) return undefined;
    const key = this.#key(call, settings, input);
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    const now = this.clock.now();
    if (now >= entry.expiresAt) {
      this.#entries.delete(key);
      return undefined;
    }
    return now - entry.storedAt < maxAgeSeconds * 1000 ? entry : undefined;
  }

  /** Nothing that was asked for before a clearing, of whatever keys: those are rare, and asking again is cheap. */
  set(
    call: ChatCall,
    settings: string,
    input: Input,
    { generation, ...embedding }: CachedEmbedding & { readonly generation: number },
  ): void {
    if (generation !== this.#clearings || !this.isFor(call)) return;
    const { ttlSeconds } = call.cache;
    const ttl =
      ttlSeconds === undefined
        ? this.config.current.sluice.cache.ttl.embeddings
        : ttlSeconds * 1000;
    if (ttl <= 0) return;
    const storedAt = this.clock.now();
    const entry = { ...embedding, storedAt, expiresAt: storedAt + ttl };
    this.#entries.set(this.#key(call, settings, input), entry);
  }

  #key(call: ChatCall, settings: string, input: Input): string {
    return this.identities.keyOf(call, JSON.stringify(['embedding', settings, input]));
  }
}
