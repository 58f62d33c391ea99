import { Injectable } from '@nestjs/common';
import { ConfigStore, type CacheConfig } from '@sluice/config';
import {
  ChatInterceptor,
  type CacheFact,
  type ChatCall,
  type ChatHandler,
  type ChatMessage,
  type ChatReply,
  type ReplyEnd,
} from '@sluice/kernel';
import { CacheIdentities, type CacheIdentity } from './cache-identity.js';
import { CacheLookup, type Found } from './cache-lookup.js';
import { CacheWriter } from './cache-writer.js';
import { classify, type CacheClass } from './classification.js';
import { replay } from './exact/cached-answer.js';
import { RecentHits } from './recent-hits.js';

/** Route of calls that fill the cache with the operator's own questions. */
export const WARM_ROUTE = 'warm';

/**
 * Answers what was answered before: exact from memory; then exact from the second tier and by meaning, side by side. Its faults
 * are misses. Only complete answers are stored, after the caller has them.
 */
@Injectable()
export class SemanticCacheInterceptor extends ChatInterceptor {
  constructor(
    private readonly config: ConfigStore,
    private readonly identities: CacheIdentities,
    private readonly lookups: CacheLookup,
    private readonly writer: CacheWriter,
    private readonly recent: RecentHits,
  ) {
    super();
  }

  async around(call: ChatCall, next: ChatHandler): Promise<ChatReply> {
    const settings = this.config.current.sluice.cache;
    if (!this.lookups.flags.isOn('response_cache', call) || isBypassed(call, settings)) {
      return bypass(call, next);
    }
    if (call.route === WARM_ROUTE) return this.#warm(call, next, settings);
    const { generation } = this.lookups;
    const identity = this.#tried('l1', () => this.identities.of(call, generation));
    if (identity === undefined) return this.#nameless(call, next);
    const fresh = call.cache.noCache || call.cache.mode === 'refresh';
    if (!fresh) {
      const held = this.#tried('l1', () => this.#fromMemory(call, identity));
      if (held !== undefined) return held;
    }
    const kind = classOf(call, settings);
    if (kind.reach === 'never') return bypass(call, next);
    let nearest: Awaited<ReturnType<CacheLookup['elsewhere']>> = { vetoes: [] };
    if (!fresh) {
      nearest = await this.lookups.elsewhere(call, identity, kind);
      const { found } = nearest;
      if (found !== undefined) {
        const reply = this.#tried(found.tier, () => this.#serve(call, identity, found));
        if (reply !== undefined) return reply;
      }
      this.lookups.missed();
    }
    call.journal.cache = {
      verdict: 'miss',
      ...(nearest.vetoes.length === 0 ? {} : { vetoes: nearest.vetoes }),
    };
    const since = this.lookups.now();
    const reply = await next(call);
    return reply.observe({
      onEnd: (end) => {
        const message = completed(end);
        if (message === undefined) return;
        this.#tried('l1', () => {
          this.writer.keep({
            call,
            identity,
            kind,
            message,
            wire: reply.wire,
            cost: end.costMicroUsd,
            since,
            generation,
            question: nearest.question,
          });
          if (nearest.candidate !== undefined)
            this.writer.compare(call, nearest.candidate, message);
        });
      },
    });
  }

  /** What goes wrong in this room is a miss, never the caller's error. */
  #tried<T>(tier: Found['tier'], work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      this.lookups.fault(tier, error);
      return undefined;
    }
  }

  /** A request that no key can be made of: a miss that cannot be stored. */
  #nameless(call: ChatCall, next: ChatHandler): Promise<ChatReply> {
    this.lookups.missed();
    call.journal.cache = { verdict: 'miss' };
    return next(call);
  }

  #fromMemory(call: ChatCall, identity: CacheIdentity): ChatReply | undefined {
    const held = this.lookups.inMemory(call, identity);
    return held === undefined ? undefined : this.#serve(call, identity, held);
  }

  #serve(call: ChatCall, identity: CacheIdentity, found: Found): ChatReply {
    const { answer, tier } = found;
    const reply = replay(answer, call.stream);
    const verdict = tier === 'semantic' ? 'semantic' : 'hit';
    const fact: CacheFact = {
      verdict,
      tier,
      similarity: found.candidate?.score ?? 1,
      ageSeconds: Math.max(0, (this.lookups.now() - answer.storedAt) / 1000),
      savedMicroUsd: answer.costMicroUsd,
      ...(answer.answeredBy === undefined ? {} : { answeredBy: answer.answeredBy }),
    };
    this.recent.note(call, identity, found);
    this.lookups.served(call, found);
    call.journal.cache = fact;
    call.journal.path = 'cache';
    return reply;
  }

  async #warm(call: ChatCall, next: ChatHandler, settings: CacheConfig): Promise<ChatReply> {
    const key = this.lookups.warmKey(call);
    const kind = classOf(call, settings);
    const { generation } = this.lookups;
    call.journal.cache = { verdict: 'miss' };
    const reply = await next(call);
    if (key === undefined || kind.reach === 'never') return reply;
    return reply.observe({
      onEnd: (end) => {
        const message = completed(end);
        if (message === undefined) return;
        const identity = { scope: '', key };
        this.writer.warm({ call, identity, kind, message, cost: end.costMicroUsd, generation });
      },
    });
  }
}

function isBypassed(call: ChatCall, settings: CacheConfig): boolean {
  const { mode, noStore, asked } = call.cache;
  if (!settings.enabled || mode === 'off' || noStore) return true;
  const { temperature } = call.body;
  const hot = typeof temperature === 'number' && temperature > settings.maxTemperature;
  return hot && !(mode === 'on' && asked === true);
}

function bypass(call: ChatCall, next: ChatHandler): Promise<ChatReply> {
  call.journal.cache = { verdict: 'bypass' };
  return next(call);
}

/** A body that cannot be read is the next room's matter: it will say so better. */
function classOf(call: ChatCall, settings: CacheConfig): CacheClass {
  try {
    return classify(call.prompt, call.cache, settings);
  } catch {
    return { reach: 'never', reason: 'unreadable', ttl: 'default' };
  }
}

function completed(end: ReplyEnd): ChatMessage | undefined {
  return end.outcome === 'completed' ? end.message?.() : undefined;
}
