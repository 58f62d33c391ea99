import type { GatewayError } from './error.js';
import type { MicroUsd } from './money.js';
import type { AnswerPath, Grade } from './target.js';
import type { Usage } from './usage.js';

export type CacheVerdict = 'hit' | 'semantic' | 'coalesced' | 'miss' | 'bypass';

/** One upstream try. Appended when it starts, completed when it ends. */
export interface AttemptFact {
  readonly model: string;
  readonly provider: string;
  readonly startedAt: number;
  firstByteMs?: number;
  durationMs?: number;
  outcome?: 'completed' | 'failed' | 'abandoned';
  errorCode?: string;
  status?: number;
  usage?: Usage;
  costMicroUsd?: MicroUsd;
}

/** What a call will probably come to, while its bill is not known. */
export interface ExpectedSpend {
  /** Of the attempts before the one under way: their bills where these are known. */
  readonly earlier: { readonly usage: Usage; readonly costMicroUsd: MicroUsd };
  /** Of the attempt under way: the prompt as counted, an answer of the usual length. */
  readonly usage: Usage;
}

export interface RoutingFact {
  readonly requested: string;
  readonly grade?: Grade;
  readonly reason: string;
  readonly chosen: string;
  /** full → rules → any */
  readonly level?: 'full' | 'rules' | 'any';
  readonly decisionId?: string;
  readonly experiment?: { readonly id: string; readonly arm: string };
  /** What the dearest complex candidate would have cost, for savings. */
  readonly alternativeMicroUsdPerToken?: { readonly input: number; readonly output: number };
}

export interface CacheFact {
  readonly verdict: CacheVerdict;
  readonly tier?: 'l1' | 'l2' | 'semantic' | 'coalesced';
  readonly similarity?: number;
  readonly ageSeconds?: number;
  readonly savedMicroUsd?: MicroUsd;
  readonly vetoes?: readonly string[];
  /** Who made the answer that a hit or a coalesced call serves again. */
  readonly answeredBy?: {
    readonly model: string;
    readonly provider: string;
    readonly grade?: Grade;
  };
}

/**
 * The one mutable companion of a call: facts appended by each room, read only by usage, metrics,
 * logs and answer headers. Nobody decides by another room's facts.
 */
export class Journal {
  readonly attempts: AttemptFact[] = [];
  /** Renewed with each attempt that the spend hold covers. */
  expected: ExpectedSpend | undefined;
  cache: CacheFact | undefined;
  routing: RoutingFact | undefined;
  path: AnswerPath = 'direct';
  /** Extra answer headers (lower case), for example `x-sluice-dropped`. */
  readonly headers: Record<string, string> = {};
  /** Milliseconds spent waiting for upstreams and in queues: not the gateway's own overhead. */
  upstreamMs = 0;
  /** Monotonic ms of the first content that left for the caller. */
  firstTokenAt: number | undefined;
  error: GatewayError | undefined;

  /** Whose answer the caller gets: a cached one's maker, else the last attempt. */
  get servedBy(): { readonly model: string; readonly provider: string } | undefined {
    return this.cache?.answeredBy ?? this.attempts.at(-1);
  }
}
