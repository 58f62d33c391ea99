import { Injectable } from '@nestjs/common';
import { ConfigStore } from '@sluice/config';
import { BackOff, Clock, GatewayError, isAdmin, type ChatCall, type Target } from '@sluice/kernel';
import { EmergencySwitch } from '../emergency/emergency.switch.js';
import type { LimitedShare } from '../ledger/spend.ledger.js';
import { LimitBook } from '../limit.book.js';
import { WaitingRoom } from '../queue/waiting.room.js';
import { amountOf, counterKey, type Amounts, type Limit } from '../scopes/limit.js';
import { Calendar } from '../scopes/period.js';
import type { EngineAnswer, Reserved } from '../spend.answers.js';
import { SpendEngine } from '../spend.engine.js';
import { TokenLimitMetrics } from '../token-limits.metrics.js';
import type { Need } from './call.need.js';

type Refused = Extract<EngineAnswer, { kind: 'refused' }>;

/** Neither the ledger nor the bank could be asked. */
interface Unavailable {
  readonly kind: 'unavailable';
  readonly cause: unknown;
}

export interface Admission {
  readonly call: ChatCall;
  readonly target: Target;
  readonly need: Need;
  /** Unique: a reservation counts once. */
  readonly id: string;
}

function unavailable(cause: unknown): Unavailable {
  return { kind: 'unavailable', cause };
}

/** The names of counters in the periods of a day, and the limits that they count for. */
interface NamedCounters {
  readonly day: string;
  readonly counters: readonly { readonly counter: string; readonly period: string }[];
}

/** Lets a call through to its provider when every limit has room, waits where others hold it, refuses else. */
@Injectable()
export class SpendGate {
  readonly #room: WaitingRoom;
  readonly #backOff = new BackOff();
  readonly #calendar = new Calendar();
  /** By the limits of a caller and target, which stay the same objects until the configuration changes. */
  readonly #named = new WeakMap<readonly Limit[], NamedCounters>();

  constructor(
    private readonly engine: SpendEngine,
    private readonly book: LimitBook,
    private readonly emergency: EmergencySwitch,
    private readonly config: ConfigStore,
    private readonly clock: Clock,
    private readonly metrics: TokenLimitMetrics,
  ) {
    this.#room = new WaitingRoom(clock);
    engine.observe(() => this.#room.wake());
  }

  /** Calls that wait for room. */
  get waiting(): number {
    return this.#room.size;
  }

  /** Names the counters of limits now. The period is that of the reservation, whenever it ends. */
  shares(limits: readonly Limit[], amounts: Amounts): readonly LimitedShare[] {
    const named = this.#countersOf(limits);
    return limits.map((limit, i) => {
      const { counter = '', period = '' } = named[i] ?? {};
      this.book.enter(counter, limit, period);
      return { counter, amount: amountOf(limit.unit, amounts), limit: limit.limit };
    });
  }

  #countersOf(limits: readonly Limit[]): NamedCounters['counters'] {
    const now = this.clock.now();
    const day = this.#calendar.at('day', now).id;
    const known = this.#named.get(limits);
    if (known?.day === day) return known.counters;
    const counters = limits.map((limit) => {
      const period = this.#calendar.at(limit.span, now).id;
      return { counter: counterKey(limit, period), period };
    });
    this.#named.set(limits, { day, counters });
    return counters;
  }

  /**
   * Undefined when no limit applies; a promise only when something must be waited for.
   * @throws GatewayError budget_exhausted | token_limit | emergency_shutdown | overloaded | client_closed
   */
  admit(admission: Admission): Reserved | undefined | Promise<Reserved | undefined> {
    const { call, need } = admission;
    if (!isAdmin(call.caller)) this.#checkEmergency();
    if (need.limits.length === 0) return undefined;
    const shares = this.shares(need.limits, need.amounts);
    const first = this.#reserve(admission.id, shares);
    return first instanceof Promise
      ? first.then((answer) => this.#answered(admission, shares, answer))
      : this.#answered(admission, shares, first);
  }

  #answered(
    admission: Admission,
    shares: readonly LimitedShare[],
    answer: EngineAnswer | Unavailable,
  ): Reserved | undefined | Promise<Reserved | undefined> {
    return answer.kind === 'held'
      ? this.#admitted(admission, answer.reserved)
      : this.#keptOut(admission, shares, answer);
  }

  async #keptOut(
    admission: Admission,
    shares: readonly LimitedShare[],
    answer: Refused | Unavailable,
  ): Promise<Reserved | undefined> {
    if (answer.kind === 'refused' && this.#isSpent(answer, shares)) {
      throw await this.#spent(admission, answer);
    }
    return this.#wait(admission, shares, answer);
  }

  async #wait(
    admission: Admission,
    shares: readonly LimitedShare[],
    first: Refused | Unavailable,
  ): Promise<Reserved | undefined> {
    const { call, id } = admission;
    const { tiers, throttle } = this.config.current.policies;
    const started = this.clock.monotonic();
    let reserved: Reserved | undefined;
    let tries = 0;
    let over = false;
    let last: Refused | Unavailable = first;
    const attempt = async () => {
      // A refusal is not remembered by the ledger, but a fresh id keeps each try apart from a late reply to the last.
      const answer = await this.#reserve(`${id}.${++tries}`, shares);
      if (answer.kind === 'held') {
        if (over) {
          // The wait ended while this was under way: nobody will use it.
          await this.engine.settle(answer.reserved, []);
          return 'done' as const;
        }
        reserved = this.#admitted(admission, answer.reserved);
        return 'done' as const;
      }
      last = answer;
      if (answer.kind === 'refused' && this.#isSpent(answer, shares)) {
        throw await this.#spent(admission, answer);
      }
      return 'wait' as const;
    };
    const tier = Object.hasOwn(tiers, call.caller.tier) ? tiers[call.caller.tier] : undefined;
    const priority = isAdmin(call.caller) ? Number.MAX_SAFE_INTEGER : (tier?.priority ?? 0);
    const { maxWaiting, maxWait } = throttle.queue;
    let outcome: 'done' | 'late' | 'full' | undefined;
    try {
      outcome = await this.#room.wait(
        { priority, signal: call.signal, attempt },
        { maxWaiting, maxWaitMs: maxWait },
      );
    } finally {
      over = true;
      call.journal.upstreamMs += this.clock.monotonic() - started;
      // The wait ended while an attempt was under way and got through: nobody will use it.
      if (outcome !== 'done' && reserved !== undefined) await this.engine.settle(reserved, []);
    }
    if (outcome === 'done') return reserved;
    throw last.kind === 'refused' ? this.#held(last) : this.#unavailable(last);
  }

  #reserve(
    id: string,
    shares: readonly LimitedShare[],
  ): EngineAnswer | Unavailable | Promise<EngineAnswer | Unavailable> {
    try {
      const answer = this.engine.reserve(id, shares);
      return answer instanceof Promise ? answer.catch(unavailable) : answer;
    } catch (cause) {
      return unavailable(cause);
    }
  }

  #unavailable({ cause }: Unavailable): GatewayError {
    this.metrics.rejected('unavailable');
    return new GatewayError('overloaded', 'Limits cannot be checked at this moment.', {
      cause,
      retryAfterMs: 1000,
      shouldRetry: true,
    });
  }

  /** The reservation's own answer may have told that the system's budget is nearly spent. */
  #admitted({ call }: Admission, reserved: Reserved): Reserved {
    if (isAdmin(call.caller)) return reserved;
    try {
      this.#checkEmergency();
      return reserved;
    } catch (error) {
      void this.engine.settle(reserved, []);
      throw error;
    }
  }

  #checkEmergency(): void {
    try {
      this.emergency.check(this.book);
    } catch (error) {
      this.metrics.rejected('emergency');
      throw error;
    }
  }

  /** Waiting for others to finish cannot help when the call alone is larger than the limit. */
  #isSpent(answer: Refused, shares: readonly LimitedShare[]): boolean {
    const share = shares.find(({ counter }) => counter === answer.counter);
    return answer.by === 'spent' || (share !== undefined && share.amount > share.limit);
  }

  async #spent({ call }: Admission, answer: Refused): Promise<GatewayError> {
    const entry = this.book.get(answer.counter);
    const of = entry?.of;
    if (entry !== undefined && of?.kind === 'system' && !isAdmin(call.caller)) {
      await this.engine.standings([entry]);
      this.#checkEmergency();
    }
    const money = of?.unit === 'micro_usd';
    this.metrics.rejected(money ? 'budget' : 'tokens');
    const what = money ? 'budget' : 'token limit';
    const whose = of === undefined ? '' : ` of ${of.kind === 'caller' ? 'this caller' : of.scope}`;
    return new GatewayError(
      money ? 'budget_exhausted' : 'token_limit',
      `The ${of?.span === 'day' ? 'daily' : 'monthly'} ${what}${whose} is spent: what is left does not suffice for this call.`,
      { shouldRetry: false, facts: this.#facts(answer) },
    );
  }

  #held(answer: Refused): GatewayError {
    this.metrics.rejected('held');
    return new GatewayError(
      'token_limit',
      'Calls in flight hold what is left of a limit. Try again shortly.',
      {
        retryAfterMs: this.#backOff.next(
          this.config.current.policies.throttle.backoff,
          this.clock.monotonic(),
        ),
        shouldRetry: true,
        facts: this.#facts(answer),
      },
    );
  }

  #facts(answer: Refused): Record<string, string | number> {
    return { limit: answer.counter.split('|', 2).join(' '), headroom: answer.headroom };
  }
}
