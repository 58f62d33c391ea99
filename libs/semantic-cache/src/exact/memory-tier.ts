import type { Clock } from '@sluice/kernel';
import { LRUCache } from 'lru-cache';
import type { CachedAnswer } from './cached-answer.js';

export interface MemoryTierLimits {
  readonly maxEntries: number;
  readonly maxBytes: number;
  /** Milliseconds an answer stays here without a look at the tier below. */
  readonly ttl: number;
}

interface Held {
  readonly answer: CachedAnswer;
  readonly until: number;
  readonly bytes: number;
}

/** The first tier: answers in this process, bounded by entries and bytes, least recently used out first. */
export class MemoryTier {
  #held: LRUCache<string, Held>;
  #limits: MemoryTierLimits;
  #evicted = 0;

  constructor(
    limits: MemoryTierLimits,
    private readonly clock: Clock,
  ) {
    this.#limits = limits;
    this.#held = this.#make(limits);
  }

  get(key: string): CachedAnswer | undefined {
    const held = this.#held.get(key);
    if (held === undefined) return undefined;
    if (held.until > this.clock.now()) return held.answer;
    this.#held.delete(key);
    return undefined;
  }

  /** @param textLength length of the answer's JSON text; the objects made from it take about twice that. */
  set(key: string, answer: CachedAnswer, textLength: number): void {
    const until = Math.min(answer.expiresAt, this.clock.now() + this.#limits.ttl);
    const bytes = textLength * 2 + key.length + 512;
    this.#held.set(key, { answer, until, bytes });
  }

  delete(key: string): void {
    this.#held.delete(key);
  }

  /** Removes what matches (everything without a pattern); gives how many entries went. */
  clear(pattern: RegExp | undefined): number {
    const before = this.#held.size;
    if (pattern === undefined) {
      this.#held.clear();
      return before;
    }
    for (const key of [...this.#held.keys()]) if (pattern.test(key)) this.#held.delete(key);
    return before - this.#held.size;
  }

  /** Removes what has expired; gives how many entries went. */
  sweep(): number {
    const now = this.clock.now();
    const before = this.#held.size;
    for (const [key, held] of [...this.#held.entries()]) {
      if (held.until <= now) this.#held.delete(key);
    }
    return before - this.#held.size;
  }

  /** New bounds, from a reload or because memory is short. Most recently used entries stay. */
  resize(limits: MemoryTierLimits): void {
    const now = this.#limits;
    if (
      now.maxEntries === limits.maxEntries &&
      now.maxBytes === limits.maxBytes &&
      now.ttl === limits.ttl
    ) {
      return;
    }
    this.#limits = limits;
    const old = [...this.#held.entries()].reverse();
    this.#held = this.#make(limits);
    for (const [key, held] of old) this.#held.set(key, held);
  }

  get entries(): number {
    return this.#held.size;
  }
  get bytes(): number {
    return this.#held.calculatedSize;
  }
  get evictions(): number {
    return this.#evicted;
  }
  get limits(): MemoryTierLimits {
    return this.#limits;
  }

  #make(limits: MemoryTierLimits): LRUCache<string, Held> {
    return new LRUCache({
      max: limits.maxEntries,
      maxSize: limits.maxBytes,
      // One answer may not push out more than an eighth of the others.
      maxEntrySize: Math.max(1, Math.floor(limits.maxBytes / 8)),
      sizeCalculation: (held) => held.bytes,
      dispose: (_held, _key, reason) => {
        if (reason === 'evict') this.#evicted++;
      },
    });
  }
}
