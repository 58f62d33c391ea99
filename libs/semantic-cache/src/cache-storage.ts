import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { ConfigStore, type CacheConfig } from '@sluice/config';
import { Clock } from '@sluice/kernel';
import { DeferredWork } from '@sluice/observability';
import { CacheBindings } from './cache-bindings.js';
import { CacheMetrics } from './cache-metrics.js';
import { SharedStores } from './shared-stores.js';
import { makeEmbedder } from './embedders/embedder.catalogue.js';
import { answerFromText, answerToText, type CachedAnswer } from './exact/cached-answer.js';
import { keyPattern, type ClearFilter } from './exact/key-pattern.js';
import { MemoryTier } from './exact/memory-tier.js';
import { SecondTier } from './exact/second-tier.js';
import { ValueCodec } from './exact/value-codec.js';
import { SemanticTier } from './semantic/semantic-tier.js';

/** Longer answers are not worth the time it takes to write them down. */
const MAX_ANSWER_CHARS = 1024 * 1024;

/** The three tiers and their lives: opened in the background, closed with the process. */
@Injectable()
export class CacheStorage implements OnApplicationBootstrap, OnModuleDestroy {
  readonly memory: MemoryTier;
  readonly second: SecondTier;
  readonly semantic: SemanticTier;
  readonly #codec: ValueCodec;

  constructor(
    private readonly config: ConfigStore,
    private readonly clock: Clock,
    private readonly deferred: DeferredWork,
    private readonly metrics: CacheMetrics,
    bindings: CacheBindings,
    stores: SharedStores,
  ) {
    const { env } = config;
    this.#codec = new ValueCodec(env.CACHE_ENCRYPTION_KEY);
    this.memory = new MemoryTier(this.#settings.l1, clock);
    const { logger } = stores;
    const onFault = (tier: 'l2' | 'semantic') => (error: unknown) => {
      metrics.fault(tier);
      logger.warn({ tier, err: error }, 'cache fault, answered as a miss');
    };
    this.second = new SecondTier(stores.second(), onFault('l2'));
    this.semantic = new SemanticTier({
      store: stores.vectors(),
      codec: this.#codec,
      clock,
      logger,
      embedder: (wanted) => makeEmbedder(wanted, () => bindings.embeddings),
      onFault: onFault('semantic'),
    });
    bindings.onBound(() => this.#open());
    config.onChange(() => {
      this.memory.resize(this.#settings.l1);
      this.#open();
    });
  }

  /** Nobody waits: until the tiers are open, look-ups miss them. */
  onApplicationBootstrap(): void {
    this.#open();
    if (this.#settings.enabled && this.#settings.l2.enabled) {
      this.deferred.run('open second cache tier', () => this.second.store.open?.());
    }
  }

  async onModuleDestroy(): Promise<void> {
    await this.semantic.flush().catch(() => undefined);
    await Promise.all([this.second.close(), this.semantic.close()]);
  }

  /** The second tier's answer, promoted to memory. Anything unreadable is a miss. */
  async fromSecond(key: string, timeoutMs: number): Promise<CachedAnswer | undefined> {
    if (!this.#settings.l2.enabled) return undefined;
    const stored = await this.second.get(key, timeoutMs);
    if (stored === undefined) return undefined;
    try {
      const text = await this.#codec.decode(key, stored);
      const answer = answerFromText(text);
      if (answer.expiresAt <= this.clock.now()) return undefined;
      this.memory.set(key, answer, text.length);
      return answer;
    } catch {
      this.metrics.fault('l2');
      return undefined;
    }
  }

  /** Into memory, at once: who asks the same next, a moment later, must hit. False when it is too large to keep. */
  remember(key: string, answer: CachedAnswer): boolean {
    const { length } = answer.wire?.json ?? answerToText(answer);
    if (length > MAX_ANSWER_CHARS) return false;
    this.memory.set(key, answer, length);
    return true;
  }

  async store(key: string, answer: CachedAnswer): Promise<void> {
    const text = answerToText(answer);
    if (text.length > MAX_ANSWER_CHARS) return;
    this.memory.set(key, answer, text.length);
    const { enabled, compressAbove } = this.#settings.l2;
    if (!enabled) return;
    const value = await this.#codec.encode(key, text, compressAbove);
    await this.second.set(key, value, answer.expiresAt - this.clock.now());
  }

  async evict(key: string): Promise<void> {
    this.memory.delete(key);
    await this.second.delete(key);
  }

  /** Only this process's memory: what other replicas do when one of them cleared. */
  clearMemory(filter: ClearFilter): number {
    const pattern = keyPattern(filter);
    return this.memory.clear(pattern === undefined ? undefined : new RegExp(pattern, 'u'));
  }

  /** Everything that matches, in all tiers; gives how many entries went from each. Faults count as none. */
  async clear(filter: ClearFilter): Promise<{ l1: number; l2: number; semantic: number }> {
    const pattern = keyPattern(filter);
    const l1 = this.clearMemory(filter);
    // What is queued would come back after the clearing.
    await this.semantic.flush().catch(() => undefined);
    const [l2, semantic] = await Promise.all([
      this.#settings.l2.enabled ? this.#counted('l2', this.second.store.clearMatching(pattern)) : 0,
      this.semantic.status.state === 'open'
        ? this.#counted('semantic', this.semantic.clear(pattern))
        : 0,
    ]);
    return { l1, l2, semantic };
  }

  /** Removes what has expired, and tries again to open what could not be opened. */
  async sweep(): Promise<{ l1: number; l2: number; semantic: number }> {
    const { l2, semantic } = this.#settings;
    const open = this.semantic.status.state === 'open';
    const gone = {
      l1: this.memory.sweep(),
      l2: l2.enabled ? await this.#counted('l2', this.second.store.sweep()) : 0,
      semantic: open
        ? await this.#counted('semantic', this.semantic.sweep(semantic.maxEntries))
        : 0,
    };
    await this.count();
    this.#open();
    return gone;
  }

  /** What is held now, also into the metrics. */
  async count(): Promise<{ l1: Held; l2: Held; semantic: Held }> {
    const none: Held = { entries: 0, bytes: 0, evictions: 0 };
    const l2 = this.#settings.l2.enabled ? await this.second.store.stats().catch(() => none) : none;
    const semantic =
      this.semantic.status.state === 'open'
        ? { ...none, entries: await this.semantic.count().catch(() => 0) }
        : none;
    const l1 = {
      entries: this.memory.entries,
      bytes: this.memory.bytes,
      evictions: this.memory.evictions,
    };
    for (const [tier, held] of Object.entries({ l1, l2, semantic })) {
      // The keys stand in the line above.
      this.metrics.held(tier as 'l1' | 'l2' | 'semantic', held.entries, held.evictions);
    }
    return { l1, l2, semantic };
  }

  get #settings(): CacheConfig {
    return this.config.current.sluice.cache;
  }

  #open(): void {
    if (!this.#settings.enabled) return;
    void this.semantic.open(this.#settings, this.config.current.sluice.embedders);
  }

  async #counted(tier: 'l2' | 'semantic', work: Promise<number>): Promise<number> {
    return work.catch(() => {
      this.metrics.fault(tier);
      return 0;
    });
  }
}

interface Held {
  readonly entries: number;
  readonly bytes: number;
  readonly evictions: number;
}
