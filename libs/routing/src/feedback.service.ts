import { Injectable } from '@nestjs/common';
import { GatewayError, type Caller } from '@sluice/kernel';
import { LRUCache } from 'lru-cache';
import { DecisionLog } from './decisions/decision.log.js';
import { ExperimentLedger } from './experiments/experiment.ledger.js';
import { RoutingLearning } from './learning/routing.learning.js';

/** A score below this counts as a failure of the model at the grade. */
const GOOD = 0.5;
const MAX_REMEMBERED = 20_000;

/** What callers say of their answers. One judgement a call; it teaches the router and counts for the experiment's arm. */
@Injectable()
export class FeedbackService {
  readonly #given = new LRUCache<string, true>({ max: MAX_REMEMBERED });

  constructor(
    private readonly log: DecisionLog,
    private readonly learning: RoutingLearning,
    private readonly experiments: ExperimentLedger,
  ) {}

  /**
   * @param score 0 (useless) to 1 (perfect)
   * @throws GatewayError not_found for a call that is unknown here, too old or somebody else's; conflict for a second judgement
   */
  give(caller: Caller, requestId: string, score: number): void {
    const decision = this.log.ownedBy(caller, requestId);
    if (decision === undefined) {
      throw new GatewayError('not_found', 'No recent request of yours has this id.', {
        param: 'request_id',
      });
    }
    if (this.#given.has(requestId)) {
      throw new GatewayError('conflict', 'This request has been judged already.', {
        param: 'request_id',
      });
    }
    this.#given.set(requestId, true);
    if (decision.grade !== undefined) {
      this.learning.ledger.record(decision.chosen, decision.grade, score >= GOOD);
    }
    if (decision.experiment !== undefined) {
      this.experiments.record(decision.experiment.id, decision.experiment.arm, { feedback: score });
    }
  }
}
