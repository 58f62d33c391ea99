import { Injectable } from '@nestjs/common';
import {
  ChatInterceptor,
  GatewayError,
  settled,
  type ChatCall,
  type ChatHandler,
  type ChatReply,
  type ReplyEnd,
  type Settlement,
} from '@sluice/kernel';
import { ExperimentLedger } from '../experiments/experiment.ledger.js';
import { ExperimentSplitter } from '../experiments/experiment.splitter.js';
import { SHADOW_ROUTE, ShadowTraffic } from '../experiments/shadow.traffic.js';
import { FeedbackService } from '../feedback/feedback.service.js';
import { RuntimeFlags } from '../flags/runtime.flags.js';
import { AUTO } from '../router.js';
import { PathMonitor } from './path.monitor.js';

/**
 * Watches every call, hits and refusals included: latency and success per path and model, flags under observation and the
 * arms of experiments. Belongs outside the cache, for a hit is an answer too.
 */
@Injectable()
export class PerformanceInterceptor extends ChatInterceptor {
  constructor(
    private readonly monitor: PathMonitor,
    private readonly flags: RuntimeFlags,
    private readonly experiments: ExperimentLedger,
    private readonly splitter: ExperimentSplitter,
    private readonly shadow: ShadowTraffic,
    private readonly feedback: FeedbackService,
  ) {
    super();
  }

  around(call: ChatCall, next: ChatHandler): Promise<ChatReply> {
    return settled(
      () => next(call),
      (settlement) => {
        if (call.route !== SHADOW_ROUTE) this.#record(call, settlement);
      },
    );
  }

  #record(call: ChatCall, settlement: Settlement): void {
    const end = settlement.kind === 'ended' ? settlement.end : undefined;
    const ok = verdictOf(settlement);
    // What the caller did wrong, or left, says nothing about the gateway.
    if (ok === undefined) return;
    const durationMs = durationOf(call);
    const { journal } = call;
    const hit =
      journal.cache !== undefined &&
      journal.cache.verdict !== 'miss' &&
      journal.cache.verdict !== 'bypass';
    const model = hit
      ? undefined
      : journal.attempts.findLast((a) => !ok || a.outcome !== 'failed')?.model;
    this.monitor.record({ path: hit ? 'cache' : journal.path, model, durationMs, ok });
    this.flags.observe(call, ok ? durationMs : undefined);
    this.#expose(call, { ok, hit, durationMs, end });
    if (!ok) return;
    if (hit) this.feedback.served(call.id, call.caller);
    else this.shadow.follow(call);
  }

  #expose(
    call: ChatCall,
    seen: { ok: boolean; hit: boolean; durationMs: number; end: ReplyEnd | undefined },
  ): void {
    const exposure =
      call.journal.routing?.experiment ?? (seen.hit ? this.#armOfHit(call) : undefined);
    if (exposure === undefined) return;
    this.experiments.record(exposure.id, exposure.arm, {
      success: seen.ok ? 1 : 0,
      cache_hit: seen.hit ? 1 : 0,
      ...(seen.ok ? { latency_ms: seen.durationMs } : {}),
      ...(seen.end === undefined ? {} : { cost_usd: seen.end.costMicroUsd / 1e6 }),
    });
  }

  /** A hit never met the router, but its arm is known from the caller alone. */
  #armOfHit(call: ChatCall): { id: string; arm: string } | undefined {
    if (call.model !== AUTO) return undefined;
    const [first] = this.splitter.assignments(call);
    return first === undefined ? undefined : { id: first.experiment.id, arm: first.arm };
  }
}

/** Whether the gateway and its upstreams did their work; undefined when the call says nothing about that. */
function verdictOf(settlement: Settlement): boolean | undefined {
  if (settlement.kind === 'refused') return isOurs(settlement.error) ? false : undefined;
  switch (settlement.end.outcome) {
    case 'completed':
      return true;
    case 'abandoned':
      return undefined;
    case 'failed':
      return settlement.end.error === undefined || isOurs(settlement.end.error) ? false : undefined;
  }
}

function isOurs(error: unknown): boolean {
  return (
    !(error instanceof GatewayError) || (error.status >= 500 && error.code !== 'emergency_shutdown')
  );
}

/** To the first token of a stream: its whole length is the caller's wish and not our speed. */
function durationOf(call: ChatCall): number {
  const first = call.stream ? call.journal.firstTokenAt : undefined;
  return (first ?? performance.now()) - call.startedAt;
}
