import { Injectable, Optional, type OnApplicationShutdown } from '@nestjs/common';
import { Clock, GatewayError, type Caller } from '@sluice/kernel';
import { DeferredWork, Logger } from '@sluice/observability';
import { ExperimentLedger } from '../experiments/experiment.ledger.js';
import { RoutingLearning } from '../learning/routing.learning.js';
import { FeedbackStore, MemoryFeedbackStore, type AnsweredCall } from './feedback.store.js';
import { ServedAnswers } from './served.answers.js';

/** A score below this counts as a failure of the model at the grade. */
const GOOD = 0.5;
const FLUSH_AT = 200;
const FLUSH_MS = 1000;
/** What waits while the store is away; the oldest go first. */
const MAX_WAITING = 10_000;
const FORGET_MS = 3_600_000;
const KEPT_MS = 24 * 3_600_000;
/** Answers that teach nothing, kept for a judgement. */
const MIN_SERVED = 20_000;

/** What callers say of their answers. One judgement a call; it teaches the router and counts for the experiment's arm. */
@Injectable()
export class FeedbackService implements OnApplicationShutdown {
  readonly #store: FeedbackStore;
  readonly #served = new ServedAnswers(MIN_SERVED, KEPT_MS);
  #waiting: AnsweredCall[] = [];
  #timer: NodeJS.Timeout | undefined;
  #forgotAt = 0;

  constructor(
    private readonly clock: Clock,
    private readonly learning: RoutingLearning,
    private readonly experiments: ExperimentLedger,
    private readonly deferred: DeferredWork,
    private readonly logger: Logger,
    @Optional() store?: FeedbackStore,
  ) {
    this.#store = store ?? new MemoryFeedbackStore();
  }

  /** Remembers a call that may be judged. Stored off its path. */
  answered(call: Omit<AnsweredCall, 'at'>): void {
    this.#waiting.push({ ...call, at: this.clock.now() });
    if (this.#waiting.length > MAX_WAITING) this.#waiting.shift();
    if (this.#waiting.length >= FLUSH_AT) this.#flushSoon();
    else
      this.#timer ??= setTimeout(() => {
        this.#flushSoon();
      }, FLUSH_MS).unref();
  }

  /**
   * Remembers an answer whose judgement teaches the router nothing: one out of the cache, or of a model without a grade. Known
   * to this process alone: a row in the store for each hit would cost more than the hit.
   */
  served(requestId: string, caller: Caller): void {
    this.#served.add(requestId, caller, this.clock.now());
  }

  /**
   * @param score 0 (useless) to 1 (perfect)
   * @throws GatewayError not_found for a call that is unknown, older than a day or somebody else's; conflict for a second
   * judgement; overloaded while judgements cannot be stored
   */
  async give(caller: Caller, requestId: string, score: number): Promise<void> {
    const call =
      this.#served.judge(requestId, caller, this.clock.now()) ??
      (await this.#judge(caller, requestId));
    if (call === 'noted') return;
    if (call === undefined) {
      throw new GatewayError('not_found', 'No recent request of yours has this id.', {
        param: 'request_id',
      });
    }
    if (call === 'judged') {
      throw new GatewayError('conflict', 'This request has been judged already.', {
        param: 'request_id',
      });
    }
    if (call.grade !== undefined) {
      this.learning.ledger.record(call.model, call.grade, score >= GOOD);
    }
    if (call.estimate !== undefined && score < GOOD) {
      this.learning.thresholds.evidence.revoke(call.estimate);
    }
    if (call.experiment !== undefined) {
      this.experiments.record(call.experiment.id, call.experiment.arm, { feedback: score });
    }
  }

  async onApplicationShutdown(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#flush().catch(() => undefined);
  }

  async #judge(caller: Caller, requestId: string): ReturnType<FeedbackStore['judge']> {
    try {
      await this.#flush();
      return await this.#store.judge(caller, requestId);
    } catch (error) {
      this.logger.warn({ err: error }, 'feedback could not be stored');
      throw new GatewayError('overloaded', 'Feedback cannot be taken right now.', {
        retryAfterMs: 1000,
        cause: error,
      });
    }
  }

  #flushSoon(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.deferred.run('answered calls', () => this.#flush());
  }

  async #flush(): Promise<void> {
    const calls = this.#waiting;
    if (calls.length === 0) return;
    this.#waiting = [];
    try {
      await this.#store.keep(calls);
    } catch (error) {
      this.#waiting = [...calls, ...this.#waiting].slice(-MAX_WAITING);
      throw error;
    }
    const now = this.clock.now();
    if (now - this.#forgotAt < FORGET_MS) return;
    this.#forgotAt = now;
    await this.#store.forget(now - KEPT_MS);
  }
}
