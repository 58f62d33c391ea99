import { Injectable, Optional } from '@nestjs/common';
import { ConfigStore, EnvironmentFlags } from '@sluice/config';
import { Clock, FeatureFlags, type ChatCall } from '@sluice/kernel';
import { CacheIdentities, type CacheIdentity } from './cache-identity.js';
import { CacheStorage } from './cache-storage.js';
import type { CacheClass } from './classification.js';
import type { CachedAnswer } from './exact/cached-answer.js';
import { LookupWatch } from './lookup-watch.js';
import { questionOf, type Question } from './semantic/question.js';
import type { Candidate } from './semantic/semantic-tier.js';

export interface Found {
  readonly answer: CachedAnswer;
  readonly tier: 'l1' | 'l2' | 'semantic';
  /** Of the semantic tier. */
  readonly candidate?: Candidate;
}

export interface Elsewhere {
  readonly found?: Found;
  /** A near answer that was not served: worth comparing with what the caller gets instead. */
  readonly candidate?: Candidate;
  /** What the semantic tier was asked. */
  readonly question?: Question;
  readonly vetoes: readonly string[];
}

/** No look-up holds an answer back for longer, whatever is configured. */
const LONGEST_MS = 50;

/** Asks the tiers in their order, within the time a miss may cost. */
@Injectable()
export class CacheLookup {
  readonly flags: FeatureFlags;

  constructor(
    private readonly config: ConfigStore,
    private readonly clock: Clock,
    private readonly identities: CacheIdentities,
    private readonly storage: CacheStorage,
    private readonly watch: LookupWatch,
    @Optional() flags?: FeatureFlags,
  ) {
    this.flags = flags ?? new EnvironmentFlags(config);
  }

  inMemory(call: ChatCall, identity: CacheIdentity): Found | undefined {
    const started = performance.now();
    this.watch.predictor.asked(call, identity.scope, identity.key);
    let answer = this.storage.memory.get(identity.key);
    if (answer === undefined && this.#hasWarm()) answer = this.#warmInMemory(call);
    if (answer !== undefined && !this.#youngEnough(call, answer)) answer = undefined;
    this.watch.metrics.lookup('l1', answer !== undefined, performance.now() - started);
    return answer === undefined ? undefined : { answer, tier: 'l1' };
  }

  /** The second tier and the semantic one, side by side. Never throws. */
  async elsewhere(call: ChatCall, identity: CacheIdentity, kind: CacheClass): Promise<Elsewhere> {
    const { semantic, version } = this.config.current.sluice.cache;
    const budget = Math.min(semantic.timeout, LONGEST_MS);
    const byMeaning =
      kind.reach === 'semantic' &&
      call.cache.mode === 'on' &&
      semantic.enabled &&
      this.flags.isOn('semantic_cache', call)
        ? this.#byMeaning(call, identity, version, budget)
        : undefined;
    const started = performance.now();
    const answer = await this.#second(call, identity, budget);
    this.watch.metrics.lookup('l2', answer !== undefined, performance.now() - started);
    if (answer !== undefined) return { found: { answer, tier: 'l2' }, vetoes: [] };
    return (await byMeaning) ?? { vetoes: [] };
  }

  /** Counts a hit, and has a semantic one checked perhaps. */
  served(call: ChatCall, found: Found): void {
    this.watch.metrics.hit(found.tier);
    if (found.candidate !== undefined) this.watch.checks.served(call, found.candidate);
  }

  missed(): void {
    this.watch.metrics.miss();
  }

  now(): number {
    return this.clock.now();
  }

  get generation(): number {
    return this.storage.clearings.generation;
  }

  async #second(
    call: ChatCall,
    identity: CacheIdentity,
    budget: number,
  ): Promise<CachedAnswer | undefined> {
    const answer = await this.storage.fromSecond(identity.key, budget);
    if (answer !== undefined && this.#youngEnough(call, answer)) return answer;
    if (!this.#hasWarm()) return undefined;
    const key = this.#warmKey(call);
    if (key === undefined) return undefined;
    const warm = await this.storage.fromSecond(key, budget);
    return warm !== undefined && this.#youngEnough(call, warm) ? warm : undefined;
  }

  async #byMeaning(
    call: ChatCall,
    identity: CacheIdentity,
    version: number,
    budget: number,
  ): Promise<Elsewhere> {
    const started = performance.now();
    const question = questionOf(call, identity.scope, identity.key, version);
    const { candidate, vetoes } = await this.storage.semantic.lookup(question, budget);
    const fits =
      candidate !== undefined &&
      this.#youngEnough(call, candidate.answer) &&
      this.watch.checks.admits(candidate, call.cache.threshold);
    this.watch.metrics.lookup('semantic', fits, performance.now() - started);
    if (fits)
      return {
        found: { answer: candidate.answer, tier: 'semantic', candidate },
        question,
        vetoes: [],
      };
    if (vetoes.length > 0) this.watch.metrics.veto(vetoes);
    return { ...(candidate === undefined ? {} : { candidate }), question, vetoes };
  }

  #youngEnough(call: ChatCall, answer: CachedAnswer): boolean {
    const { maxAgeSeconds } = call.cache;
    return maxAgeSeconds === undefined || this.clock.now() - answer.storedAt < maxAgeSeconds * 1000;
  }

  #hasWarm(): boolean {
    return this.watch.warmed || this.config.current.sluice.cache.warming.queries.length > 0;
  }

  #warmInMemory(call: ChatCall): CachedAnswer | undefined {
    const key = this.#warmKey(call);
    return key === undefined ? undefined : this.storage.memory.get(key);
  }

  #warmKey(call: ChatCall): string | undefined {
    try {
      return this.identities.warm(call);
    } catch {
      // A body that cannot be read is the next room's matter.
      return undefined;
    }
  }
}
