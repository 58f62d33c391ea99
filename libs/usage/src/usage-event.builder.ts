import {
  asGatewayError,
  NO_USAGE,
  uuidv7,
  type AttemptFact,
  type CacheVerdict,
  type ChatCall,
  type GatewayError,
  type MicroUsd,
  type Settlement,
  type Target,
  type Usage,
} from '@sluice/kernel';
import { NO_SAVINGS, type Savings, type UsageEvent, type UsageOutcome } from './usage-event.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const OK = 200;

/** A call that has ended, with the moment of its end. */
export interface EndedCall {
  readonly call: ChatCall;
  readonly settlement: Settlement;
  readonly key: EventKey;
  /** Monotonic milliseconds. */
  readonly endedAt: number;
  readonly configVersion: number;
}

/** What tells an event from all others. */
export interface EventKey {
  readonly requestId: string;
  /** Wall clock, milliseconds since the Unix epoch. */
  readonly at: number;
}

/** Fixes the key of a call's event: once, when something is first written of it. */
export function keyOf(call: ChatCall, at: number): EventKey {
  return { requestId: UUID.test(call.id) ? call.id : uuidv7(at), at };
}

/** A call that goes upstream, with what it will probably come to. */
export interface ExpectedCall {
  readonly call: ChatCall;
  readonly target: Target;
  readonly key: EventKey;
  readonly usage: Usage;
  readonly costMicroUsd: MicroUsd;
  readonly elapsedMs: number;
  readonly configVersion: number;
}

/** The event of a call of which nothing more will be heard. */
export function expectedEvent(expected: ExpectedCall): UsageEvent {
  const { call, target, key, usage, costMicroUsd, elapsedMs, configVersion } = expected;
  return eventOf(call, key, configVersion, {
    model: target.model,
    provider: target.provider,
    status: 0,
    outcome: 'interrupted',
    errorCode: undefined,
    usage: { ...usage, estimated: true },
    costMicroUsd,
    saved: NO_SAVINGS,
    durationUs: micros(Math.max(0, elapsedMs)),
    ttftUs: undefined,
    overheadUs: 0,
    attempts: call.journal.attempts.length + 1,
  });
}

/** What differs with a call's end. */
type EndFacts = Pick<
  UsageEvent,
  | 'model'
  | 'provider'
  | 'status'
  | 'outcome'
  | 'errorCode'
  | 'usage'
  | 'costMicroUsd'
  | 'saved'
  | 'durationUs'
  | 'ttftUs'
  | 'overheadUs'
  | 'attempts'
>;

/** Member by member: objects of this size cost several times as much when they are spread into one another. */
function eventOf(call: ChatCall, key: EventKey, configVersion: number, end: EndFacts): UsageEvent {
  const { journal, caller } = call;
  const experiment = journal.routing?.experiment;
  return {
    requestId: key.requestId,
    at: key.at,
    tenant: caller.tenant,
    caller: caller.id,
    keyId: caller.keyId,
    tier: caller.tier,
    agent: call.agent,
    session: call.session,
    route: call.route,
    dialect: call.dialect,
    requestedModel: call.model,
    model: end.model,
    provider: end.provider,
    status: end.status,
    outcome: end.outcome,
    errorCode: end.errorCode,
    cache: journal.cache?.verdict,
    stream: call.stream,
    usage: end.usage,
    costMicroUsd: end.costMicroUsd,
    saved: end.saved,
    durationUs: end.durationUs,
    ttftUs: end.ttftUs,
    overheadUs: end.overheadUs,
    attempts: end.attempts,
    path: journal.path,
    experiment: experiment?.id,
    experimentArm: experiment?.arm,
    configVersion,
    corrects: undefined,
  };
}

/** What a call came to, as one event. */
export function usageEvent(ended: EndedCall): UsageEvent {
  const { call } = ended;
  const { journal } = call;
  const error = errorOf(ended.settlement);
  const outcome = outcomeOf(ended, error);
  const served = billedAttempt(journal.attempts);
  const bill = billOf(ended.settlement, served);
  const durationMs = Math.max(0, ended.endedAt - call.startedAt);
  const { servedBy } = journal;
  return eventOf(call, ended.key, ended.configVersion, {
    model: servedBy?.model ?? journal.routing?.chosen ?? unserved(call, error),
    provider: servedBy?.provider ?? '',
    status: outcome === 'abandoned' ? 499 : (error?.status ?? OK),
    outcome,
    errorCode: error?.code,
    usage: bill.usage,
    costMicroUsd: bill.cost,
    saved: savings(call, outcome, bill),
    durationUs: micros(durationMs),
    ttftUs:
      journal.firstTokenAt === undefined
        ? undefined
        : micros(Math.max(0, journal.firstTokenAt - call.startedAt)),
    overheadUs: micros(Math.max(0, durationMs - journal.upstreamMs)),
    attempts: journal.attempts.length,
  });
}

/** Any name that a caller makes up would be a row of its own in every report; what was asked for is kept beside it. */
function unserved(call: ChatCall, error: GatewayError | undefined): string {
  return error?.code === 'model_not_found' ? 'unknown' : call.model;
}

/** What must change about an earlier bill. Amounts are differences: what is right minus what was written. */
export interface Correction {
  readonly usage?: Partial<Usage>;
  readonly costMicroUsd?: MicroUsd;
}

/** An event of its own that puts an earlier one right; the earlier one is never touched. */
export function correctionOf(event: UsageEvent, change: Correction, at: number): UsageEvent {
  return {
    ...event,
    requestId: uuidv7(at),
    at,
    usage: { ...NO_USAGE, ...change.usage },
    costMicroUsd: change.costMicroUsd ?? 0,
    saved: NO_SAVINGS,
    durationUs: 0,
    ttftUs: undefined,
    overheadUs: 0,
    attempts: 0,
    corrects: event.requestId,
  };
}

function errorOf(settlement: Settlement): GatewayError | undefined {
  return settlement.kind === 'refused' ? asGatewayError(settlement.error) : settlement.end.error;
}

function outcomeOf({ call, settlement }: EndedCall, error: GatewayError | undefined): UsageOutcome {
  if (settlement.kind === 'refused') {
    if (error?.code === 'client_closed' || call.signal.aborted) return 'abandoned';
    return call.journal.attempts.length === 0 ? 'refused' : 'failed';
  }
  if (settlement.end.outcome !== 'completed') return settlement.end.outcome;
  return COMPLETED_BY[call.journal.cache?.verdict ?? 'miss'];
}

const COMPLETED_BY: Readonly<Record<CacheVerdict, UsageOutcome>> = {
  hit: 'hit',
  semantic: 'hit',
  coalesced: 'coalesced',
  miss: 'completed',
  bypass: 'completed',
};

/** The attempt whose bill is the reply's own: the completed one, or the one that broke off last. */
function billedAttempt(attempts: readonly AttemptFact[]): AttemptFact | undefined {
  return attempts.findLast((attempt) => attempt.outcome === 'completed') ?? attempts.at(-1);
}

interface CallBill {
  readonly usage: Usage;
  readonly cost: MicroUsd;
  /** The part of the cost that belongs to the answer, without failed attempts. */
  readonly answerCost: MicroUsd;
}

/** The same truth that limits settle with: the reply's own bill covers all its attempts, a failure carries what it spent. */
function billOf(settlement: Settlement, served: AttemptFact | undefined): CallBill {
  const spent = settlement.kind === 'ended' ? settlement.end : errorOf(settlement)?.bill;
  const cost = spent?.costMicroUsd ?? 0;
  return {
    usage: spent?.usage ?? NO_USAGE,
    cost,
    answerCost: Math.min(cost, served?.costMicroUsd ?? cost),
  };
}

function savings(call: ChatCall, outcome: UsageOutcome, bill: CallBill): Savings {
  const { cache, routing } = call.journal;
  if (outcome === 'hit') return saved('cache', cache?.savedMicroUsd);
  if (outcome === 'coalesced') return saved('coalescing', cache?.savedMicroUsd);
  const dearest = routing?.alternativeMicroUsdPerToken;
  if (outcome !== 'completed' || dearest === undefined) return NO_SAVINGS;
  const otherwise = bill.usage.input * dearest.input + bill.usage.output * dearest.output;
  return saved('routing', Math.max(0, Math.round(otherwise - bill.answerCost)));
}

function saved(by: keyof Savings, amount: MicroUsd = 0): Savings {
  return { ...NO_SAVINGS, [by]: amount };
}

function micros(ms: number): number {
  return Math.round(ms * 1000);
}
