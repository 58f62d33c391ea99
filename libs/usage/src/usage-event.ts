import type { AnswerPath, CacheVerdict, DialectName, MicroUsd, Usage } from '@sluice/kernel';

/**
 * How a call ended. `hit` and `coalesced` are completed answers that cost nothing; `refused` never left the
 * gateway; `failed` did, or broke off; `abandoned` was left by its caller; `interrupted` died with its process and is
 * billed as it was expected to end.
 */
export type UsageOutcome =
  'completed' | 'hit' | 'coalesced' | 'refused' | 'failed' | 'abandoned' | 'interrupted';

export const USAGE_OUTCOMES: readonly UsageOutcome[] = [
  'completed',
  'hit',
  'coalesced',
  'refused',
  'failed',
  'abandoned',
  'interrupted',
];

/** Micro-USD that the call would have cost more without the gateway. */
export interface Savings {
  readonly cache: MicroUsd;
  readonly routing: MicroUsd;
  readonly coalescing: MicroUsd;
}

/** One call, once, as it is billed. Immutable: what turns out wrong is corrected by another event. */
export interface UsageEvent {
  /** UUIDv7; together with `at` the key by which a replay is recognised. */
  readonly requestId: string;
  /**
   * Milliseconds since the Unix epoch when the event was first written: when the call went upstream, or when it ended
   * without going there. Never recomputed.
   */
  readonly at: number;
  readonly tenant: string;
  readonly caller: string;
  readonly keyId: string | undefined;
  readonly tier: string;
  readonly agent: string | undefined;
  readonly session: string | undefined;
  readonly route: string;
  readonly dialect: DialectName | '';
  readonly requestedModel: string;
  /** Whose answer it was, also when it came from the cache; what was chosen or asked for when nobody answered. */
  readonly model: string;
  /** Empty when nobody answered. */
  readonly provider: string;
  /** The HTTP status that the caller received, 499 when it had left, 0 when nobody knows. */
  readonly status: number;
  readonly outcome: UsageOutcome;
  readonly errorCode: string | undefined;
  readonly cache: CacheVerdict | undefined;
  readonly stream: boolean;
  readonly usage: Usage;
  readonly costMicroUsd: MicroUsd;
  readonly saved: Savings;
  /** Microseconds from arrival to end. */
  readonly durationUs: number;
  /** Microseconds from arrival to the first content. */
  readonly ttftUs: number | undefined;
  /** Microseconds of the duration spent in the gateway itself. */
  readonly overheadUs: number;
  readonly attempts: number;
  readonly path: AnswerPath;
  readonly experiment: string | undefined;
  readonly experimentArm: string | undefined;
  readonly configVersion: number;
  /** The request whose bill this event corrects; its amounts are differences and may be negative. */
  readonly corrects: string | undefined;
}

export const NO_SAVINGS: Savings = Object.freeze({ cache: 0, routing: 0, coalescing: 0 });
