import { Injectable } from '@nestjs/common';
import { settled, type ChatCall, type ChatReply, type ReplyEnd } from '@sluice/kernel';
import { DeferredWork } from '@sluice/observability';
import type { RouteDecision } from './decisions/decision.js';
import { DecisionLog } from './decisions/decision.log.js';
import { SHADOW_ROUTE } from './experiments/shadow.traffic.js';
import { FeedbackService } from './feedback/feedback.service.js';
import { inspectAnswer } from './inspection/inspect-answer.js';
import { RoutingLearning } from './learning/routing.learning.js';
import { RoutingMetrics } from './routing.metrics.js';

/** Errors that say something about the model; refusals of ours and the caller's mistakes do not. */
const MODEL_FAULTS: ReadonlySet<string> = new Set(['upstream_error', 'upstream_timeout']);

/** Watches how routed calls end: success by model and grade, inspections, money saved, lines for the replay. */
@Injectable()
export class RoutingObserver {
  constructor(
    private readonly learning: RoutingLearning,
    private readonly metrics: RoutingMetrics,
    private readonly log: DecisionLog,
    private readonly deferred: DeferredWork,
    private readonly feedback: FeedbackService,
  ) {}

  /** Runs the decided attempts and learns from their end, however that comes about. */
  watch(
    call: ChatCall,
    decision: RouteDecision,
    run: () => Promise<ChatReply>,
  ): Promise<ChatReply> {
    return settled(run, (settlement) => {
      this.record(call, decision, settlement.kind === 'ended' ? settlement.end : undefined);
    });
  }

  /** @param end undefined when every attempt failed before an answer began */
  record(call: ChatCall, decision: RouteDecision, end: ReplyEnd | undefined): void {
    this.#learn(call, decision, end);
    if (end === undefined) return;
    this.#saved(call, end);
    this.#expectFeedback(call, decision);
    this.log.close(call, {
      input: end.usage.input,
      output: end.usage.output,
      ok: end.outcome === 'completed',
    });
  }

  #learn(call: ChatCall, decision: RouteDecision, end: ReplyEnd | undefined): void {
    const { grade } = decision;
    if (grade === undefined) return;
    if (decision.reason === 'estimate' && decision.features !== undefined) {
      this.learning.thresholds.evidence.seen(decision.features.uplift);
    }
    const attempts = call.journal.attempts;
    for (const attempt of attempts) {
      if (attempt.outcome === 'failed' && MODEL_FAULTS.has(attempt.errorCode ?? '')) {
        this.learning.ledger.record(attempt.model, grade, false);
      }
    }
    const answered = answeredBy(call);
    if (end?.outcome !== 'completed' || answered === undefined) return;
    const { message } = end;
    if (decision.features === undefined || message === undefined) {
      this.learning.ledger.record(answered, grade, true);
      return;
    }
    // Inspection reads the whole answer: after the caller has it, not before.
    this.deferred.run('inspect answer', () => {
      const { ok } = inspectAnswer(call.prompt, message());
      this.learning.ledger.record(answered, grade, ok);
      const estimate = testedEstimate(decision, answered);
      if (estimate !== undefined) this.learning.thresholds.evidence.label(estimate, ok);
      return undefined;
    });
  }

  #expectFeedback(call: ChatCall, decision: RouteDecision): void {
    const { grade, experiment, chosen } = decision;
    if (call.route === SHADOW_ROUTE) return;
    if (grade === undefined && experiment === undefined) {
      this.feedback.served(call.id, call.caller);
      return;
    }
    const model = answeredBy(call) ?? chosen;
    const estimate = testedEstimate(decision, model);
    this.feedback.answered({
      requestId: call.id,
      caller: { tenant: call.caller.tenant, id: call.caller.id },
      model,
      grade,
      ...(experiment === undefined ? {} : { experiment }),
      ...(estimate === undefined ? {} : { estimate }),
    });
  }

  #saved(call: ChatCall, end: ReplyEnd): void {
    const alternative = call.journal.routing?.alternativeMicroUsdPerToken;
    if (alternative === undefined || end.usage.input + end.usage.output === 0) return;
    const dearest = end.usage.input * alternative.input + end.usage.output * alternative.output;
    const saved = (dearest - end.costMicroUsd) / 1e6;
    if (saved > 0) this.metrics.savedUsd.inc(saved);
  }
}

function answeredBy(call: ChatCall): string | undefined {
  return call.journal.attempts.findLast((attempt) => attempt.outcome !== 'failed')?.model;
}

/** The estimate that sent a call to a simple-grade model and is tested by its answer; undefined for every other call. */
function testedEstimate(
  { reason, grade, features, attempts }: RouteDecision,
  answered: string,
): number | undefined {
  if (reason !== 'estimate' || grade !== 'simple') return undefined;
  const target = attempts.find(({ model }) => model === answered);
  return target?.grade === 'simple' ? features?.uplift : undefined;
}
