import {
  GatewayError,
  amended,
  asGatewayError,
  type ChatCall,
  type ChatReply,
  type StopSignal,
  type Target,
} from '@sluice/kernel';
import { RunSpending, type Question, type Started } from './attempt.js';
import { cutError } from './attempt.gate.js';
import { backoffMs, mayFallOver, mayRepeat } from './attempt.outcome.js';

/** One question for one target. */
export interface Asked {
  readonly question: Question;
  readonly call: ChatCall;
  readonly target: Target;
  readonly spending: RunSpending;
}

/** What a run needs of the house. */
export interface RunRules {
  start(asked: Asked, deadlineMs: number): Started;
  /** Why the target must not be asked now. */
  admits(target: Target): GatewayError | undefined;
  /** Asks the provider's retry budget for one more try. */
  mayRetry(target: Target): boolean;
  firstTry(target: Target): void;
  random(): number;
}

/** What is to be run. Milliseconds. */
export interface RunPlan {
  readonly call: ChatCall;
  readonly attempts: readonly Target[];
  readonly question: Question;
  readonly deadlineMs: number;
  readonly hedgeAfterMs: number | undefined;
}

const UNSAID_RETRY_AFTER_MS = 1_000;

/** A refusal by the caller's own limits: the next target would be refused the same. */
class FinalRefusal extends Error {
  constructor(readonly error: GatewayError) {
    super(error.message, { cause: error });
  }
}

/** One call's way along its list of attempts. */
export class AttemptRun {
  readonly #spending = new RunSpending();
  readonly #startedAt = performance.now();
  /** Providers, few: a list needs less than a set. */
  readonly #tried: string[] = [];
  #at = 0;
  #last: Target | undefined;
  #repeats = 0;
  /** Of an upstream that was asked. */
  #failure: GatewayError | undefined;
  /** Of a target that was passed over; only told when nobody was asked. */
  #skipped: GatewayError | undefined;

  constructor(
    private readonly plan: RunPlan,
    private readonly rules: RunRules,
  ) {}

  async reply(): Promise<ChatReply> {
    try {
      for (;;) {
        if (this.plan.call.signal.aborted) throw new FinalRefusal(cutError('left'));
        const target = await this.#nextTarget();
        if (target === undefined) break;
        try {
          return await this.#ask(target);
        } catch (thrown) {
          this.#failure = asGatewayError(thrown);
          if (!this.#goesOn(this.#failure)) break;
        }
      }
    } catch (thrown) {
      if (!(thrown instanceof FinalRefusal)) throw thrown;
      this.#failure = thrown.error;
    }
    throw this.#explained(
      this.#failure ??
        this.#skipped ??
        new GatewayError('overloaded', 'There is no target to ask.'),
    );
  }

  get #leftMs(): number {
    return this.plan.deadlineMs - (performance.now() - this.#startedAt);
  }

  #goesOn(failure: GatewayError): boolean {
    if (this.plan.call.signal.aborted) {
      this.#failure = cutError('left');
      return false;
    }
    return mayFallOver(failure) && this.#leftMs > 0;
  }

  /** The next target that may be asked, covered by the caller's hold. */
  async #nextTarget(): Promise<Target | undefined> {
    while (this.#at < this.plan.attempts.length) {
      const target = this.plan.attempts[this.#at++];
      if (target === undefined) continue;
      const repeated = this.#failure !== undefined && sameTarget(target, this.#last);
      if (!repeated) this.#repeats = 0;
      else if (!(await this.#comesAgain(target, this.#failure))) continue;
      if (!this.#isOpen(target, repeated)) continue;
      try {
        const covering = this.plan.call.hold.cover(target);
        if (covering !== undefined) await covering;
      } catch (thrown) {
        this.#uncovered(thrown);
        continue;
      }
      if (!this.#tried.includes(target.provider)) {
        this.#tried.push(target.provider);
        this.rules.firstTry(target);
      }
      this.#last = target;
      return target;
    }
    return undefined;
  }

  /** Waits before the same target is asked once more; false when it is not worth it. */
  async #comesAgain(target: Target, failure: GatewayError | undefined): Promise<boolean> {
    // The budget is asked before waiting: a wait for nothing would only cost time.
    if (failure === undefined || !mayRepeat(failure) || !this.rules.mayRetry(target)) return false;
    this.#repeats++;
    const wait = backoffMs(this.#repeats, failure, this.rules.random());
    if (wait >= this.#leftMs) return false;
    await pause(wait, this.plan.call.signal);
    this.plan.call.journal.upstreamMs += wait;
    return true;
  }

  #isOpen(target: Target, repeated: boolean): boolean {
    const refused = this.rules.admits(target);
    if (refused !== undefined) {
      this.#skipped = refused;
      return false;
    }
    return repeated || !this.#tried.includes(target.provider) || this.rules.mayRetry(target);
  }

  /** The prompt may be too long for this target alone; what else a hold refuses, it refuses everywhere. */
  #uncovered(thrown: unknown): void {
    const error = asGatewayError(thrown);
    if (error.code !== 'context_too_long') throw new FinalRefusal(error);
    this.#failure = error;
  }

  #ask(target: Target): Promise<ChatReply> {
    const first = this.#start(target);
    const { hedgeAfterMs } = this.plan;
    if (hedgeAfterMs === undefined) return first.reply;
    return this.#hedged(first, target, hedgeAfterMs);
  }

  #start(target: Target): Started {
    const { question, call } = this.plan;
    return this.rules.start({ question, call, target, spending: this.#spending }, this.#leftMs);
  }

  /** Asks the next other target as well when the first is slow; the first answer wins, the other is dropped. */
  async #hedged(first: Started, target: Target, afterMs: number): Promise<ChatReply> {
    const slow = await Promise.race([
      first.reply.then(
        () => false,
        () => false,
      ),
      pause(afterMs, this.plan.call.signal).then(
        () => true,
        () => false,
      ),
    ]);
    if (!slow) return first.reply;
    while (sameTarget(this.plan.attempts[this.#at], target)) this.#at++;
    // The caller's limits may forbid a second target; the first goes on.
    const other = await this.#nextTarget().catch(() => undefined);
    if (other === undefined) return first.reply;
    const second = this.#start(other);
    try {
      const winner = await Promise.any([
        first.reply.then(() => first),
        second.reply.then(() => second),
      ]);
      const loser = winner === first ? second : first;
      loser.cancel();
      loser.reply.then(
        (reply) => reply.abandon(),
        () => undefined,
      );
      return await winner.reply;
    } catch {
      return second.reply;
    }
  }

  #explained(error: GatewayError): GatewayError {
    const { usage, costMicroUsd } = this.#spending;
    const spent = costMicroUsd > 0 || usage.input > 0 || usage.output > 0;
    const silent = error.code === 'rate_limited' && error.retryAfterMs === undefined;
    if (!spent && !silent) return error;
    return amended(error, {
      ...(spent ? { bill: { usage, costMicroUsd } } : {}),
      // A caller who is told to come back later is told when.
      ...(silent ? { retryAfterMs: UNSAID_RETRY_AFTER_MS } : {}),
    });
  }
}

function sameTarget(a: Target | undefined, b: Target | undefined): boolean {
  return a !== undefined && a.model === b?.model && a.provider === b.provider;
}

/** Resolves after `ms`. @throws GatewayError client_closed when the caller leaves meanwhile */
function pause(ms: number, signal: StopSignal): Promise<void> {
  if (signal.aborted) return Promise.reject(new FinalRefusal(cutError('left')));
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      clearTimeout(timer);
      reject(new FinalRefusal(cutError('left')));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', leave);
      resolve();
    }, ms);
    signal.addEventListener('abort', leave, { once: true });
  });
}
