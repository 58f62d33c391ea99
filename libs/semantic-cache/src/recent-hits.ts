import { Injectable } from '@nestjs/common';
import { ConfigStore } from '@sluice/config';
import type { ChatCall } from '@sluice/kernel';
import { LRUCache } from 'lru-cache';
import type { CacheIdentity } from './cache-identity.js';
import type { Found } from './cache-lookup.js';
import { questionOf, type Question } from './semantic/question.js';
import type { Candidate } from './semantic/semantic-tier.js';

export interface RecentHit {
  readonly key: string;
  /** Of semantic hits. */
  readonly question?: Question;
  readonly candidate?: Candidate;
}

/** The last hits by call id, so that feedback about a request finds what was served. */
@Injectable()
export class RecentHits {
  readonly #hits = new LRUCache<string, RecentHit>({ max: 2000 });

  constructor(private readonly config: ConfigStore) {}

  note(call: ChatCall, identity: CacheIdentity, { candidate, key: warm }: Found): void {
    const { key, scope } = identity;
    if (candidate === undefined) {
      this.#hits.set(call.id, { key: warm ?? key });
      return;
    }
    const { version } = this.config.current.sluice.cache;
    this.#hits.set(call.id, { key, candidate, question: questionOf(call, scope, key, version) });
  }

  get(callId: string): RecentHit | undefined {
    return this.#hits.get(callId);
  }
}
