import { Injectable } from '@nestjs/common';
import { ConfigStore } from '@sluice/config';
import { Clock, type Caller } from '@sluice/kernel';
import { LimitBook } from './limit.book.js';
import { limitsOf } from './scopes/limit.catalogue.js';
import { counterKey } from './scopes/limit.js';
import { Calendar } from './scopes/period.js';

/** The answer headers that tell a caller of its token limits. */
@Injectable()
export class TokenHeaders {
  readonly #calendar = new Calendar();

  constructor(
    private readonly config: ConfigStore,
    private readonly book: LimitBook,
    private readonly clock: Clock,
  ) {}

  /** By the limit with the fewest tokens left; empty when the caller has none. From memory, without I/O. */
  of(caller: Caller, options: { readonly anthropic: boolean }): Readonly<Record<string, string>> {
    const now = this.clock.now();
    let tightest: { limit: number; left: number; endMs: number } | undefined;
    for (const limit of limitsOf(this.config.current.policies, { caller })) {
      if (limit.kind !== 'caller' || limit.unit !== 'tokens') continue;
      const period = this.#calendar.at(limit.span, now);
      const entry = this.book.get(counterKey(limit, period.id));
      const left = Math.max(0, limit.limit - (entry?.spent ?? 0) - (entry?.held ?? 0));
      if (tightest === undefined || left < tightest.left) {
        tightest = { limit: limit.limit, left, endMs: period.endMs };
      }
    }
    if (tightest === undefined) return {};
    const { limit, left, endMs } = tightest;
    const headers: Record<string, string> = {
      'x-ratelimit-limit-tokens': String(limit),
      'x-ratelimit-remaining-tokens': String(left),
      'x-ratelimit-reset-tokens': duration(Math.ceil((endMs - now) / 1000)),
    };
    if (options.anthropic) {
      headers['anthropic-ratelimit-tokens-limit'] = String(limit);
      headers['anthropic-ratelimit-tokens-remaining'] = String(left);
      headers['anthropic-ratelimit-tokens-reset'] =
        `${new Date(endMs).toISOString().slice(0, 19)}Z`;
    }
    return headers;
  }
}

/** Seconds as OpenAI writes them: `1s`, `6m0s`, `23h10m0s`. */
function duration(seconds: number): string {
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), seconds % 60];
  if (h > 0) return `${h}h${m}m${s}s`;
  return m > 0 ? `${m}m${s}s` : `${s}s`;
}
