import { Injectable } from '@nestjs/common';
import { ConfigStore, type PoliciesConfig } from '@sluice/config';
import { Clock, type Caller } from '@sluice/kernel';
import { LimitBook } from './limit.book.js';
import { limitsOf } from './scopes/limit.catalogue.js';
import { counterKey } from './scopes/limit.js';
import { Calendar } from './scopes/period.js';

/** A token limit of a caller in its present period. */
interface OwnLimit {
  readonly counter: string;
  readonly limit: number;
  /** `limit`, for a header: writing a large number takes as long as all the rest. */
  readonly text: string;
  readonly endMs: number;
}

/** Those of one caller, of one configuration and day. */
interface OwnLimits {
  readonly policies: PoliciesConfig;
  readonly day: string;
  readonly limits: readonly OwnLimit[];
}

/** The answer headers that tell a caller of its token limits. */
@Injectable()
export class TokenHeaders {
  readonly #calendar = new Calendar();
  readonly #own = new WeakMap<Caller, OwnLimits>();

  constructor(
    private readonly config: ConfigStore,
    private readonly book: LimitBook,
    private readonly clock: Clock,
  ) {}

  /** By the limit with the fewest tokens left; empty when the caller has none. From memory, without I/O. */
  of(caller: Caller, options: { readonly anthropic: boolean }): Readonly<Record<string, string>> {
    const now = this.clock.now();
    let tightest: OwnLimit | undefined;
    let least = Infinity;
    for (const own of this.#limitsOf(caller, now)) {
      const entry = this.book.get(own.counter);
      const left = Math.max(0, own.limit - (entry?.spent ?? 0) - (entry?.held ?? 0));
      if (left < least) [tightest, least] = [own, left];
    }
    if (tightest === undefined) return {};
    const { text, endMs } = tightest;
    const left = String(least);
    const headers: Record<string, string> = {
      'x-ratelimit-limit-tokens': text,
      'x-ratelimit-remaining-tokens': left,
      'x-ratelimit-reset-tokens': duration(Math.ceil((endMs - now) / 1000)),
    };
    if (options.anthropic) {
      headers['anthropic-ratelimit-tokens-limit'] = text;
      headers['anthropic-ratelimit-tokens-remaining'] = left;
      headers['anthropic-ratelimit-tokens-reset'] =
        `${new Date(endMs).toISOString().slice(0, 19)}Z`;
    }
    return headers;
  }

  #limitsOf(caller: Caller, now: number): readonly OwnLimit[] {
    const { policies } = this.config.current;
    const day = this.#calendar.at('day', now).id;
    const known = this.#own.get(caller);
    if (known?.policies === policies && known.day === day) return known.limits;
    const limits = limitsOf(policies, { caller })
      .filter(({ kind, unit }) => kind === 'caller' && unit === 'tokens')
      .map((limit) => {
        const { id, endMs } = this.#calendar.at(limit.span, now);
        const counter = counterKey(limit, id);
        return { counter, limit: limit.limit, text: String(limit.limit), endMs };
      });
    this.#own.set(caller, { policies, day, limits });
    return limits;
  }
}

/** Seconds as OpenAI writes them: `1s`, `6m0s`, `23h10m0s`. */
function duration(seconds: number): string {
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), seconds % 60];
  if (h > 0) return `${h}h${m}m${s}s`;
  return m > 0 ? `${m}m${s}s` : `${s}s`;
}
