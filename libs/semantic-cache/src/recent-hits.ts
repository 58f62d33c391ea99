import { Injectable } from '@nestjs/common';
import type { ChatCall } from '@sluice/kernel';
import { LRUCache } from 'lru-cache';
import type { CacheIdentity } from './cache-identity.js';
import type { Found } from './cache-lookup.js';
import type { Question } from './semantic/question.js';
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

  note(call: ChatCall, { key }: CacheIdentity, { candidate, question, key: warm }: Found): void {
    this.#hits.set(
      call.id,
      candidate === undefined || question === undefined
        ? { key: warm ?? key }
        : { key, candidate, question },
    );
  }

  get(callId: string): RecentHit | undefined {
    return this.#hits.get(callId);
  }
}
