import {
  GatewayError,
  NO_USAGE,
  uuidv7,
  type AttemptFact,
  type ChatCall,
  type ExpectedSpend,
  type Progress,
  type Settlement,
  type SpendHold,
  type Target,
  type Usage,
} from '@sluice/kernel';
import type { Reserved } from '../spend.answers.js';
import type { SpendEngine } from '../spend.engine.js';
import { NOTHING, amountOf, type Amounts } from '../scopes/limit.js';
import type { CallNeeds, CountedPrompt, Need } from './call.need.js';
import type { SpendGate } from './spend.gate.js';

interface Attempt {
  readonly target: Target;
  readonly need: Need;
  readonly reserved: Reserved | undefined;
}

export interface HoldRooms {
  readonly gate: SpendGate;
  readonly engine: SpendEngine;
  readonly needs: CallNeeds;
}

/** A top-up is asked for when so much of what is covered has been written. */
const LOW_WATER = 0.75;
const SMALLEST_TOP_UP = 256;

/** What one call holds, from its first attempt to its end. */
export class CallHold implements SpendHold {
  #current: Attempt | undefined;
  /** Earlier attempts whose cost was not known yet when the call moved on. */
  readonly #open: Attempt[] = [];
  #charged: Amounts = NOTHING;
  #covered = 0;
  #topUp: 'idle' | 'refused' = 'idle';
  /** A top-up that is being asked for. */
  #asking: Promise<void> | undefined;
  #finished = false;

  constructor(
    private readonly call: ChatCall,
    private readonly rooms: HoldRooms,
  ) {}

  cover(target: Target): Promise<void> | undefined {
    const previous = this.#current;
    return previous === undefined ? this.#reserve(target) : this.#move(previous, target);
  }

  /** The call goes on from one target to the next. */
  async #move(previous: Attempt, target: Target): Promise<void> {
    const fact = this.#factOf(previous.target);
    // The same again, and the first try cost nothing: its reservation serves.
    const free =
      fact?.outcome !== undefined && !(fact.costMicroUsd ?? 0) && fact.usage === undefined;
    if (free && previous.target.model === target.model) return;
    this.#current = undefined;
    if (fact !== undefined && fact.outcome === undefined) this.#open.push(previous);
    else await this.#settleAttempt(previous, amountsOf(fact));
    await this.#reserve(target, previous.need.prompt);
  }

  /** At once, where the prompt is short and the ledger in process and supplied: then nobody waits, not even for a microtask. */
  #reserve(target: Target, earlier?: CountedPrompt): Promise<void> | undefined {
    const need = this.rooms.needs.of(this.call, target, earlier);
    return need instanceof Promise
      ? need.then((found) => this.#admit(target, found))
      : this.#admit(target, need);
  }

  #admit(target: Target, need: Need): Promise<void> | undefined {
    const admitted = this.rooms.gate.admit({ call: this.call, target, need, id: uuidv7() });
    if (admitted instanceof Promise) {
      return admitted.then((reserved) => {
        this.#begin({ target, need, reserved });
      });
    }
    this.#begin({ target, need, reserved: admitted });
    return undefined;
  }

  #begin(attempt: Attempt): void {
    const { need, reserved } = attempt;
    if (this.#finished) {
      // The call ended while it waited for room.
      if (reserved !== undefined) void this.rooms.engine.settle(reserved, []);
      throw new GatewayError('client_closed', 'The call has ended.');
    }
    this.#current = attempt;
    this.#covered = need.amounts.output;
    this.#topUp = 'idle';
    this.call.journal.expected = this.#expected(need);
  }

  sending(target: Target): void {
    if (this.#finished) throw new GatewayError('client_closed', 'The call has ended.');
    // Of two attempts at the same target either may be the one: both count.
    for (const attempt of this.#open) this.#sendingOf(attempt, target);
    if (this.#current !== undefined) this.#sendingOf(this.#current, target);
  }

  #sendingOf({ target: of, reserved }: Attempt, target: Target): void {
    if (reserved === undefined || of.model !== target.model || of.provider !== target.provider)
      return;
    this.rooms.engine.sending(reserved);
  }

  progress(outputTokens: number): Progress | Promise<Progress> {
    const attempt = this.#current;
    if (attempt?.reserved === undefined) return 'go';
    this.rooms.engine.touch(attempt.reserved.id);
    for (;;) {
      // The estimate priced all that the upstream may write.
      if (this.#covered >= (attempt.need.mostOutput ?? Infinity)) return 'go';
      const over = outputTokens >= this.#covered;
      // The first refusal may be due to what others held then: asked once more at the edge.
      const low = over || (this.#topUp === 'idle' && outputTokens >= this.#covered * LOW_WATER);
      if (this.#asking === undefined && low) this.#ask(attempt);
      if (!over) return 'go';
      if (this.#asking !== undefined) {
        return this.#asking.then(() =>
          this.#topUp === 'refused' ? 'stop' : this.progress(outputTokens),
        );
      }
      if (this.#topUp === 'refused') return 'stop';
    }
  }

  /** What is known of earlier attempts, what is held for those still open, and the usual for the one that starts. */
  #expected({ amounts, typicalOutput }: Need): ExpectedSpend {
    let earlier = this.#charged;
    for (const { need } of this.#open) earlier = plus(earlier, need.amounts);
    return {
      earlier: {
        usage: estimated(earlier.input, earlier.output),
        costMicroUsd: earlier.microUsd,
      },
      usage: estimated(amounts.input, typicalOutput),
    };
  }

  /** Ends everything that is held, exactly once. */
  finish(settlement: Settlement): void {
    if (this.#finished) return;
    this.#finished = true;
    const total = totalOf(settlement);
    const attempt = this.#current;
    this.#current = undefined;
    if (
      attempt !== undefined &&
      settlement.kind === 'ended' &&
      settlement.end.outcome === 'completed' &&
      settlement.end.usage.output > 0
    ) {
      this.rooms.needs.learn(this.call, attempt.target, settlement.end.usage.output);
    }
    for (const open of this.#open)
      void this.#settleAttempt(open, amountsOf(this.#factOf(open.target)));
    const rest = minus(total, this.#charged);
    if (attempt !== undefined) void this.#settleAttempt(attempt, rest);
    else if (rest.input + rest.output + rest.microUsd > 0) this.#chargeUncovered(rest);
  }

  #ask(attempt: Attempt): void {
    const { engine, needs } = this.rooms;
    if (attempt.reserved === undefined) return;
    const wish = Math.max(SMALLEST_TOP_UP, Math.ceil(this.#covered / 2));
    const more = Math.min(wish, (attempt.need.mostOutput ?? Infinity) - this.#covered);
    const amounts = needs.more(attempt.target, more);
    // In the periods of the reservation, whatever day it is by now.
    const shares = attempt.reserved.shares.map((share, i) => {
      const limit = attempt.need.limits[i];
      return { ...share, amount: limit === undefined ? 0 : amountOf(limit.unit, amounts) };
    });
    const taken = (granted: boolean) => {
      this.#topUp = granted ? 'idle' : 'refused';
      if (granted) this.#covered += more;
    };
    const answer = engine.topUp(attempt.reserved, shares);
    if (answer instanceof Promise) {
      this.#asking = answer.then((granted) => {
        this.#asking = undefined;
        // The call may have gone on to another target meanwhile.
        if (this.#current === attempt) taken(granted);
      });
    } else {
      taken(answer);
    }
  }

  #settleAttempt({ need, reserved }: Attempt, amounts: Amounts): Promise<void> | undefined {
    this.#charged = plus(this.#charged, amounts);
    if (reserved === undefined) return undefined;
    const actual = reserved.shares.map(({ counter }, i) => {
      const limit = need.limits[i];
      return { counter, amount: limit === undefined ? 0 : amountOf(limit.unit, amounts) };
    });
    return this.rooms.engine.settle(reserved, actual);
  }

  /** Something was paid for that nobody had reserved: it is recorded all the same. */
  #chargeUncovered(amounts: Amounts): void {
    const { gate, engine, needs } = this.rooms;
    const shares = gate.shares(
      needs.limitsFor(this.call, this.call.journal.attempts.at(-1)),
      amounts,
    );
    if (shares.length > 0) void engine.charge(uuidv7(), shares);
  }

  #factOf(target: Target): AttemptFact | undefined {
    return this.call.journal.attempts.findLast(
      (fact) => fact.model === target.model && fact.provider === target.provider,
    );
  }
}

function estimated(input: number, output: number): Usage {
  return { ...NO_USAGE, input, output, estimated: true };
}

function totalOf(settlement: Settlement): Amounts {
  if (settlement.kind === 'ended') {
    const { usage, costMicroUsd } = settlement.end;
    return { input: usage.input, output: usage.output, microUsd: costMicroUsd };
  }
  const { error } = settlement;
  const bill = error instanceof GatewayError ? error.bill : undefined;
  if (bill === undefined) return NOTHING;
  return { input: bill.usage.input, output: bill.usage.output, microUsd: bill.costMicroUsd };
}

function amountsOf(fact: AttemptFact | undefined): Amounts {
  return {
    input: fact?.usage?.input ?? 0,
    output: fact?.usage?.output ?? 0,
    microUsd: fact?.costMicroUsd ?? 0,
  };
}

function plus(a: Amounts, b: Amounts): Amounts {
  return {
    input: a.input + b.input,
    output: a.output + b.output,
    microUsd: a.microUsd + b.microUsd,
  };
}

function minus(a: Amounts, b: Amounts): Amounts {
  return {
    input: Math.max(0, a.input - b.input),
    output: Math.max(0, a.output - b.output),
    microUsd: Math.max(0, a.microUsd - b.microUsd),
  };
}
