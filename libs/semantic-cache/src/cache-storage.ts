import { setImmediate as nextTurn } from 'node:timers/promises';
import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { ConfigStore, type CacheConfig } from '@sluice/config';
import { Clock } from '@sluice/kernel';
import { DeferredWork } from '@sluice/observability';
import { CacheBindings } from './cache-bindings.js';
import { CacheMetrics } from './cache-metrics.js';
import { Clearings } from './clearings.js';
import { SharedStores } from './shared-stores.js';
import { makeEmbedder } from './embedders/embedder.catalogue.js';
import { answerFromText, answerToText, sizeOf, type CachedAnswer } from './exact/cached-answer.js';
import { keyPattern, type ClearFilter } from './exact/key-pattern.js';
import { MemoryTier } from './exact/memory-tier.js';
import { SecondTier, type SecondTierEntry } from './exact/second-tier.js';
import { ValueCodec } from './exact/value-codec.js';
import type { Question } from './semantic/question.js';
import { SemanticTier } from './semantic/semantic-tier.js';
import { WriteQueue } from './write-queue.js';

/** Longer answers are not worth the time it takes to write them down. */
const MAX_ANSWER_CHARS = 1024 * 1024;

/** Serialising goes on in another turn of the event loop after so many characters. */
const SLICE_CHARS = 64 * 1024;

/** An answer on its way to the tiers below memory. */
export interface Stored {
  readonly key: string;
  readonly answer: CachedAnswer;
  /** {@link Clearings.generation} when it was asked for. */
  readonly generation: number;
  /** Where the semantic tier is to have it, too. */
  readonly question?: Question | undefined;
}

/** The three tiers and their lives: opened in the background, closed with the process. */
@Injectable()
export class CacheStorage implements OnApplicationBootstrap, OnModuleDestroy {
  readonly memory: MemoryTier;
  readonly second: SecondTier;
  readonly semantic: SemanticTier;
  readonly clearings = new Clearings();
  /** Counts and logs what was answered as a miss instead. */
  readonly fault: (tier: 'l1' | 'l2' | 'semantic', error: unknown) => void;
  readonly #codec: ValueCodec;
  readonly #queue: WriteQueue<Stored>;

  constructor(
    private readonly config: ConfigStore,
    private readonly clock: Clock,
    private readonly deferred: DeferredWork,
    private readonly metrics: CacheMetrics,
    private readonly bindings: CacheBindings,
    stores: SharedStores,
  ) {
    const { env } = config;
    this.#codec = new ValueCodec(env.CACHE_ENCRYPTION_KEY);
    this.memory = new MemoryTier(this.#settings.l1, clock);
    const { logger } = stores;
    this.fault = (tier, error) => {
      metrics.fault(tier);
      logger.warn({ tier, err: error }, 'cache fault, answered as a miss');
    };
    const onFault = (tier: 'l2' | 'semantic') => (error: unknown) => this.fault(tier, error);
    this.second = new SecondTier(
      stores.second(),
      onFault('l2'),
      this.#codec,
      () => this.#settings.l2.compressAbove,
    );
    this.semantic = new SemanticTier({
      store: stores.vectors(),
      codec: this.#codec,
      clock,
      logger,
      embedder: (wanted) => makeEmbedder(wanted, () => bindings.embeddings),
      onFault: onFault('semantic'),
    });
    this.#queue = new WriteQueue<Stored>({
      name: 'cache store',
      deferred,
      write: (batch) => this.#write(batch),
      onDropped: (entries) => metrics.dropped(entries),
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
      // Now, not in a later turn: the first look-up must know that the tier is being opened.
      const opening = this.second.open();
      this.deferred.run('open second cache tier', () => opening);
    }
  }

  async onModuleDestroy(): Promise<void> {
    await this.#queue.flush();
    await Promise.all([this.second.close(), this.semantic.close()]);
  }

  /** False only when {@link fromSecond} would certainly find nothing. */
  mayBeInSecond(key: string): boolean {
    return this.#settings.l2.enabled && this.second.mayHold(key);
  }

  /** The second tier's answer, promoted to memory. Anything unreadable is a miss. */
  async fromSecond(key: string, timeoutMs: number): Promise<CachedAnswer | undefined> {
    if (!this.mayBeInSecond(key)) return undefined;
    const { generation } = this.clearings;
    const text = await this.second.get(key, timeoutMs);
    if (text === undefined) return undefined;
    try {
      const answer = answerFromText(text);
      if (answer.expiresAt <= this.clock.now()) return undefined;
      if (!this.clearings.hit(key, generation)) this.memory.set(key, answer, text.length);
      return answer;
    } catch {
      this.metrics.fault('l2');
      return undefined;
    }
  }

  /**
   * Into memory at once, because who asks the same next must hit; below soon, in a batch with others. Not when it is too large, or
   * was cleared since it was asked for.
   */
  keep(stored: Stored): void {
    const { key, answer, generation } = stored;
    const size = sizeOf(answer);
    if (size > MAX_ANSWER_CHARS || this.clearings.hit(key, generation)) return;
    this.memory.set(key, answer, size);
    this.#queue.add(stored);
  }

  /** Resolves when all that was kept before is in the tiers below. */
  written(): Promise<void> {
    return this.#queue.flush();
  }

  async evict(key: string): Promise<void> {
    this.clearings.note(key);
    this.memory.delete(key);
    this.#queue.remove((queued) => queued === key);
    await this.#queue.flush();
    await this.second.delete(key);
  }

  /** Everything that matches, in all tiers; gives how many entries went from each. Faults count as none. */
  async clear(filter: ClearFilter): Promise<{ l1: number; l2: number; semantic: number }> {
    const pattern = keyPattern(filter);
    const expression = pattern === undefined ? undefined : new RegExp(pattern, 'u');
    // From here on nothing that was asked for before is stored; what is being written is waited for, and goes.
    this.clearings.note(expression);
    const l1 = this.memory.clear(expression);
    const isGone = (key: string): boolean => expression?.test(key) ?? true;
    this.#queue.remove(isGone);
    this.bindings.cleared(isGone);
    await this.#queue.flush();
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

  async #write(batch: readonly Stored[]): Promise<void> {
    // Cleared while it waited, by this process or another replica.
    const left = batch.filter(({ key, generation }) => !this.clearings.hit(key, generation));
    if (this.#settings.l2.enabled) await this.second.set(await this.#entriesOf(left));
    for (const { question, answer } of left) {
      if (question !== undefined) this.semantic.keep(question, answer);
    }
    await this.#counted('semantic', this.semantic.flush(this.#settings.semantic.maxEntries));
  }

  async #entriesOf(batch: readonly Stored[]): Promise<SecondTierEntry[]> {
    const entries: SecondTierEntry[] = [];
    let written = 0;
    for (const { key, answer } of batch) {
      if (written > SLICE_CHARS) {
        await nextTurn();
        written = 0;
      }
      const text = answerToText(answer);
      written += text.length;
      entries.push({ key, text, ttlMs: answer.expiresAt - this.clock.now() });
    }
    return entries.filter(({ ttlMs }) => ttlMs > 0);
  }

  #open(): void {
    if (!this.#settings.enabled) return;
    void this.semantic.open(this.#settings, this.config.current.sluice.embedders);
  }

  async #counted<T>(tier: 'l2' | 'semantic', work: Promise<T>): Promise<T | 0> {
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
