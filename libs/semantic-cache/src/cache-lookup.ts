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
  /** Of the entry, where it is not the call's own: a warm one. */
  readonly key?: string;
  /** Of the semantic tier, with what it was asked. */
  readonly candidate?: Candidate;
  readonly question?: Question;
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
    const answer = this.storage.memory.get(identity.key);
    const found: Found | undefined =
      answer === undefined ? this.#warmInMemory(call) : { answer, tier: 'l1' };
    const fits = found !== undefined && this.#fits(call, found.answer);
    this.watch.metrics.lookup('l1', fits, performance.now() - started);
    return fits ? found : undefined;
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
        ? this.#byMeaning(call, identity, version, budget).catch((error: unknown): Elsewhere => {
            this.fault('semantic', error);
            return { vetoes: [] };
          })
        : undefined;
    const started = performance.now();
    const found = await this.#second(call, identity, budget).catch((error: unknown) => {
      this.fault('l2', error);
      return undefined;
    });
    this.watch.metrics.lookup('l2', found !== undefined, performance.now() - started);
    if (found !== undefined) return { found, vetoes: [] };
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

  /** Something went wrong that the caller must not hear of. */
  fault(tier: Found['tier'], error: unknown): void {
    this.storage.fault(tier, error);
  }

  /** The key of a warm entry that could answer this call. */
  warmKey(call: ChatCall): string | undefined {
    try {
      return this.identities.warm(call);
    } catch {
      // A body that cannot be read is the next room's matter.
      return undefined;
    }
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
  ): Promise<Found | undefined> {
    const answer = await this.storage.fromSecond(identity.key, budget);
    if (answer !== undefined && this.#fits(call, answer)) return { answer, tier: 'l2' };
    const key = this.#hasWarm() ? this.warmKey(call) : undefined;
    if (key === undefined) return undefined;
    const warm = await this.storage.fromSecond(key, budget);
    if (warm === undefined || !this.#fits(call, warm)) return undefined;
    return { answer: warm, tier: 'l2', key };
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
      this.#fits(call, candidate.answer) &&
      this.watch.checks.admits(candidate, call.cache.threshold);
    this.watch.metrics.lookup('semantic', fits, performance.now() - started);
    if (fits)
      return {
        found: { answer: candidate.answer, tier: 'semantic', candidate, question },
        question,
        vetoes: [],
      };
    if (vetoes.length > 0) this.watch.metrics.veto(vetoes);
    return { ...(candidate === undefined ? {} : { candidate }), question, vetoes };
  }

  /** Young enough for the caller, and of a model that the caller may use. */
  #fits(call: ChatCall, answer: CachedAnswer): boolean {
    const { maxAgeSeconds } = call.cache;
    const young =
      maxAgeSeconds === undefined || this.clock.now() - answer.storedAt < maxAgeSeconds * 1000;
    return young && this.identities.mayHave(call, answer);
  }

  #hasWarm(): boolean {
    return this.watch.warmed || this.config.current.sluice.cache.warming.queries.length > 0;
  }

  #warmInMemory(call: ChatCall): Found | undefined {
    const key = this.#hasWarm() ? this.warmKey(call) : undefined;
    if (key === undefined) return undefined;
    const answer = this.storage.memory.get(key);
    return answer === undefined ? undefined : { answer, tier: 'l1', key };
  }
}
