import {
  GatewayError,
  amended,
  asGatewayError,
  type ChatCall,
  type ChatReply,
  type Target,
} from '@sluice/kernel';
import { RunSpending } from './attempt.js';
import { cutError } from './attempt.gate.js';
import { backoffMs, mayFallOver, mayRepeat } from './attempt.outcome.js';

/** One attempt under way. */
export interface Started {
  readonly reply: Promise<ChatReply>;
  /** Another attempt won. */
  readonly cancel: () => void;
}

/** What a run needs of the house. */
export interface RunRules {
  start(target: Target, spending: RunSpending, deadlineMs: number): Started;
  /** Why the target must not be asked now. */
  admits(target: Target): GatewayError | undefined;
  /** Asks the provider's retry budget for one more try. */
  mayRetry(target: Target): boolean;
  firstTry(target: Target): void;
  random(): number;
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
  readonly #tried = new Set<string>();
  #at = 0;
  #last: Target | undefined;
  #repeats = 0;
  /** Of an upstream that was asked. */
  #failure: GatewayError | undefined;
  /** Of a target that was passed over; only told when nobody was asked. */
  #skipped: GatewayError | undefined;

  constructor(
    private readonly call: ChatCall,
    private readonly attempts: readonly Target[],
    private readonly rules: RunRules,
  ) {}

  async reply(): Promise<ChatReply> {
    try {
      for (;;) {
        if (this.call.signal.aborted) throw new FinalRefusal(cutError('left'));
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
    return this.rules.deadlineMs - (performance.now() - this.#startedAt);
  }

  #goesOn(failure: GatewayError): boolean {
    if (this.call.signal.aborted) {
      this.#failure = cutError('left');
      return false;
    }
    return mayFallOver(failure) && this.#leftMs > 0;
  }

  /** The next target that may be asked, covered by the caller's hold. */
  async #nextTarget(): Promise<Target | undefined> {
    while (this.#at < this.attempts.length) {
      const target = this.attempts[this.#at++];
      if (target === undefined || !(await this.#worthTrying(target))) continue;
      if (!(await this.#cover(target))) continue;
      const provider = target.provider;
      if (!this.#tried.has(provider)) {
        this.#tried.add(provider);
        this.rules.firstTry(target);
      }
      this.#last = target;
      return target;
    }
    return undefined;
  }

  async #worthTrying(target: Target): Promise<boolean> {
    const failure = this.#failure;
    const repeated = failure !== undefined && sameTarget(target, this.#last);
    if (repeated && !mayRepeat(failure)) return false;
    if (repeated) {
      // Asked before waiting: a wait for nothing would only cost time.
      if (!this.rules.mayRetry(target)) return false;
      this.#repeats++;
      const wait = backoffMs(this.#repeats, failure, this.rules.random());
      if (wait >= this.#leftMs) return false;
      await pause(wait, this.call.signal);
      this.call.journal.upstreamMs += wait;
    } else {
      this.#repeats = 0;
    }
    const refused = this.rules.admits(target);
    if (refused !== undefined) {
      this.#skipped = refused;
      return false;
    }
    return repeated || !this.#tried.has(target.provider) || this.rules.mayRetry(target);
  }

  /** False when the prompt is too long for this target alone. */
  async #cover(target: Target): Promise<boolean> {
    try {
      await this.call.hold.cover(target);
      return true;
    } catch (thrown) {
      const error = asGatewayError(thrown);
      if (error.code !== 'context_too_long') throw new FinalRefusal(error);
      this.#failure = error;
      return false;
    }
  }

  async #ask(target: Target): Promise<ChatReply> {
    const first = this.rules.start(target, this.#spending, this.#leftMs);
    const { hedgeAfterMs } = this.rules;
    if (hedgeAfterMs === undefined) return first.reply;
    return this.#hedged(first, target, hedgeAfterMs);
  }

  /** Asks the next other target as well when the first is slow; the first answer wins, the other is dropped. */
  async #hedged(first: Started, target: Target, afterMs: number): Promise<ChatReply> {
    const slow = await Promise.race([
      first.reply.then(
        () => false,
        () => false,
      ),
      pause(afterMs, this.call.signal).then(
        () => true,
        () => false,
      ),
    ]);
    if (!slow) return first.reply;
    while (sameTarget(this.attempts[this.#at], target)) this.#at++;
    // The caller's limits may forbid a second target; the first goes on.
    const other = await this.#nextTarget().catch(() => undefined);
    if (other === undefined) return first.reply;
    const second = this.rules.start(other, this.#spending, this.#leftMs);
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
function pause(ms: number, signal: AbortSignal): Promise<void> {
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
