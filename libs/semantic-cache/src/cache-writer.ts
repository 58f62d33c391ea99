import { Injectable } from '@nestjs/common';
import { ConfigStore } from '@sluice/config';
import {
  Clock,
  type ChatCall,
  type ChatMessage,
  type MicroUsd,
  type WireBody,
} from '@sluice/kernel';
import { DeferredWork } from '@sluice/observability';
import type { CacheIdentity } from './cache-identity.js';
import { CacheStorage } from './cache-storage.js';
import { isPlainText, isStorable, ttlOf, type CacheClass } from './classification.js';
import { ShadowChecks } from './control/shadow-checks.js';
import { isSharable, type CachedAnswer } from './exact/cached-answer.js';
import { questionOf } from './semantic/question.js';
import type { Candidate } from './semantic/semantic-tier.js';

export interface Keeping {
  readonly call: ChatCall;
  readonly identity: CacheIdentity;
  readonly kind: CacheClass;
  readonly message: ChatMessage;
  readonly wire: WireBody | undefined;
  readonly cost: MicroUsd;
  /** When the look-up missed: who finds a younger entry than this was overtaken by a twin. */
  readonly since: number;
}

/** Stores answers after their callers have them. */
@Injectable()
export class CacheWriter {
  constructor(
    private readonly config: ConfigStore,
    private readonly clock: Clock,
    private readonly storage: CacheStorage,
    private readonly checks: ShadowChecks,
    private readonly deferred: DeferredWork,
  ) {}

  keep(keeping: Keeping): void {
    const { call, identity, kind, message } = keeping;
    if (!isStorable(message)) return;
    const twin = this.storage.memory.get(identity.key);
    // A follower of a coalesced run carries no cost: the leader's entry is the better one.
    if (twin !== undefined && twin.storedAt >= keeping.since && keeping.cost === 0) return;
    const answer = this.#answer(keeping);
    if (answer.expiresAt <= answer.storedAt) return;
    if (!this.storage.remember(identity.key, answer)) return;
    this.deferred.run('cache store', async () => {
      await this.storage.store(identity.key, answer);
      const { cache } = this.config.current.sluice;
      if (kind.reach !== 'semantic' || call.cache.mode === 'exact' || !isPlainText(message)) return;
      const question = questionOf(call, identity.scope, identity.key, cache.version);
      if (this.storage.semantic.keep(question, answer)) await this.storage.semantic.flush();
    });
  }

  /** Stores an operator's question for everybody. */
  warm(call: ChatCall, key: string, kind: CacheClass, message: ChatMessage, cost: MicroUsd): void {
    if (!isStorable(message)) return;
    const identity = { scope: '', key };
    const answer = this.#answer({ call, identity, kind, message, wire: undefined, cost, since: 0 });
    this.deferred.run('cache warm store', () => this.storage.store(key, answer));
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
        ? { wire: { ...wire, json: wire.json ?? JSON.stringify(wire.body) } }
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
