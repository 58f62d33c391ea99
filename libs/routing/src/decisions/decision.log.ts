import { Injectable } from '@nestjs/common';
import { Clock, type ChatCall } from '@sluice/kernel';
import { Logger } from '@sluice/observability';
import { RoutingMetrics } from '../routing.metrics.js';
import type { RouteDecision } from './decision.js';
import { DecisionFile } from './decision.file.js';

const RING = 1000;

/** Every decision: in metrics, in the log, in a ring for the admin API and in the replay file. */
@Injectable()
export class DecisionLog {
  /** The next place is {@link #next}. */
  readonly #ring: RouteDecision[] = [];
  #next = 0;
  /** Of prompts that were read: for the end of the call, and gone with it. */
  readonly #byCall = new WeakMap<ChatCall, RouteDecision>();

  constructor(
    private readonly metrics: RoutingMetrics,
    private readonly logger: Logger,
    private readonly file: DecisionFile,
    private readonly clock: Clock,
  ) {}

  add(call: ChatCall, decision: RouteDecision): void {
    this.#ring[this.#next] = decision;
    this.#next = (this.#next + 1) % RING;
    if (decision.features !== undefined || decision.cascade !== undefined)
      this.#byCall.set(call, decision);
    this.metrics.decisions.inc(1, decision.grade ?? 'none', decision.chosen, decision.reason);
    if (decision.features !== undefined) this.metrics.levels.inc(1, decision.level);
    this.metrics.decisionSeconds.observe(decision.tookMs / 1000);
    if (this.logger.isLevelEnabled('debug')) {
      const { grade, reason, level, id } = decision;
      this.logger.debug(
        { requestId: call.id, decision: id, grade, reason, routingLevel: level },
        `Model selected: ${decision.chosen}`,
      );
    }
  }

  /** What came of a decision, for replays. */
  close(
    call: ChatCall,
    outcome: { readonly input: number; readonly output: number; readonly ok: boolean },
  ): void {
    const decision = this.of(call);
    if (decision?.features === undefined) return;
    this.file.append({
      at: this.clock.now(),
      requested: decision.requested,
      chosen: decision.chosen,
      grade: decision.grade,
      reason: decision.reason,
      tier: call.caller.tier,
      features: decision.features,
      ...outcome,
    });
  }

  of(call: ChatCall): RouteDecision | undefined {
    return this.#byCall.get(call);
  }

  /** Newest first. */
  recent(filter: {
    readonly limit: number;
    readonly model?: string;
    readonly grade?: string;
  }): RouteDecision[] {
    const out: RouteDecision[] = [];
    for (let back = 1; back <= this.#ring.length && out.length < filter.limit; back++) {
      const decision = this.#ring[(this.#next - back + RING) % RING];
      if (decision === undefined) break;
      if (filter.model !== undefined && decision.chosen !== filter.model) continue;
      if (filter.grade !== undefined && decision.grade !== filter.grade) continue;
      out.push(decision);
    }
    return out;
  }
}
