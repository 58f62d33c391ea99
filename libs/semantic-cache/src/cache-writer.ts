import { Injectable } from '@nestjs/common';
import { ConfigStore } from '@sluice/config';
import {
  Clock,
  type ChatCall,
  type ChatMessage,
  type MicroUsd,
  type WireBody,
} from '@sluice/kernel';
import type { CacheIdentity } from './cache-identity.js';
import { CacheStorage } from './cache-storage.js';
import { isPlainText, isStorable, ttlOf, type CacheClass } from './classification.js';
import { ShadowChecks } from './control/shadow-checks.js';
import { isSharable, wireOf, type CachedAnswer } from './exact/cached-answer.js';
import { questionOf, type Question } from './semantic/question.js';
import type { Candidate } from './semantic/semantic-tier.js';

export interface Keeping {
  readonly call: ChatCall;
  readonly identity: CacheIdentity;
  readonly kind: CacheClass;
  readonly message: ChatMessage;
  readonly wire: WireBody | undefined;
  readonly cost: MicroUsd;
  /** {@link Clearings.generation} when the call came. */
  readonly generation: number;
  /** What the look-up asked the semantic tier, where it did. */
  readonly question: Question | undefined;
  /** When the look-up missed: who finds a younger entry than this was overtaken by a twin. */
  readonly since: number;
}

/** Stores answers for whoever asks next. */
@Injectable()
export class CacheWriter {
  constructor(
    private readonly config: ConfigStore,
    private readonly clock: Clock,
    private readonly storage: CacheStorage,
    private readonly checks: ShadowChecks,
  ) {}

  /**
   * Into memory at once: a later turn of the event loop may read the caller's next request first. The tiers below
   * have it soon.
   */
  keep(keeping: Keeping): void {
    const { identity, message, generation } = keeping;
    if (!isStorable(message)) return;
    const twin = this.storage.memory.get(identity.key);
    // A follower of a coalesced run carries no cost: the leader's entry is the better one.
    if (twin !== undefined && twin.storedAt >= keeping.since && keeping.cost === 0) return;
    const answer = this.#answer(keeping);
    if (answer.expiresAt <= answer.storedAt) return;
    const question = this.#question(keeping);
    this.storage.keep({ key: identity.key, answer, generation, question });
  }

  /** Stores an operator's question for everybody. */
  warm(keeping: Omit<Keeping, 'wire' | 'since' | 'question'>): void {
    const { identity, generation, message } = keeping;
    if (!isStorable(message)) return;
    const answer = this.#answer({ ...keeping, wire: undefined, since: 0, question: undefined });
    this.storage.keep({ key: identity.key, answer, generation });
  }

  /** Resolves when all that was handed over is in every tier. */
  written(): Promise<void> {
    return this.storage.written();
  }

  #question({ call, identity, kind, message, question }: Keeping): Question | undefined {
    if (kind.reach !== 'semantic' || call.cache.mode === 'exact') return undefined;
    if (!isPlainText(message)) return undefined;
    const { version } = this.config.current.sluice.cache;
    return question ?? questionOf(call, identity.scope, identity.key, version);
  }

  compare(call: ChatCall, candidate: Candidate, message: ChatMessage): void {
    if (isPlainText(message)) this.checks.missed(call, candidate, message);
  }

  #answer({ call, kind, message, wire, cost }: Keeping): CachedAnswer {
    const now = this.clock.now();
    const { attempts, routing } = call.journal;
    const last = attempts.findLast((attempt) => attempt.outcome !== 'failed');
    const grade = routing?.grade;
    return {
      message,
      ...(wire?.dialect === call.dialect && isSharable(wire)
        ? { wire: wireOf(wire.dialect, wire.json ?? JSON.stringify(wire.body)) }
        : {}),
      costMicroUsd: cost,
      storedAt: now,
      expiresAt: now + ttlOf(kind.ttl, call.cache, this.config.current.sluice.cache),
      ...(last === undefined
        ? {}
        : {
            answeredBy: {
              model: last.model,
              provider: last.provider,
              ...(grade === undefined ? {} : { grade }),
            },
          }),
    };
  }
}
