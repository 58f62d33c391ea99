import { Controller, Get, Query } from '@nestjs/common';
import { AdminOnly } from '@sluice/auth';
import {
  DecisionLog,
  PathMonitor,
  RoutingLearning,
  RoutingPorts,
  type PromptFeatures,
  type RouteDecision,
  type RoutableModel,
} from '@sluice/routing';
import { checked } from '../http/checked.js';
import { pathJson } from './performance.controller.js';
import { decisionsQuery } from './routing.contract.js';

/** What the router decided and why, and how its models do. */
@Controller('v1/admin/routing')
@AdminOnly()
export class RoutingController {
  constructor(
    private readonly log: DecisionLog,
    private readonly ports: RoutingPorts,
    private readonly learning: RoutingLearning,
    private readonly monitor: PathMonitor,
  ) {}

  /** The last decisions of this replica, newest first. */
  @Get('decisions')
  decisions(@Query() query: unknown): unknown {
    const { limit, model, grade } = checked(decisionsQuery, query);
    const found = this.log.recent({
      limit,
      ...(model === undefined ? {} : { model }),
      ...(grade === undefined ? {} : { grade }),
    });
    return { object: 'list', data: found.map(decisionJson) };
  }

  @Get('models')
  models(): unknown {
    const { threshold, source, seen, labels, loss } = this.learning.thresholds.state();
    return {
      object: 'list',
      data: this.ports.catalog.list().map((model) => this.#model(model)),
      estimate_threshold: {
        // Nothing is sent down by estimate: JSON has no infinity.
        value: Number.isFinite(threshold) ? threshold : null,
        source,
        calls_seen: seen,
        answers_inspected: labels,
        loss_at_least: loss.lower,
        loss_at_most: loss.upper,
      },
    };
  }

  #model({ target, enabled, config, providerKind }: RoutableModel): unknown {
    const health = this.ports.health.reading(target);
    const grades = this.learning.ledger.states().filter((state) => state.model === target.model);
    return {
      id: target.model,
      provider: target.provider,
      provider_kind: providerKind,
      enabled,
      grade: target.grade ?? null,
      capabilities: target.capabilities,
      fallbacks: config.fallbacks,
      context_tokens: target.contextTokens ?? null,
      breaker: health.breaker,
      cooldown_until: isoOrNull(health.cooldownUntil),
      inflight: health.inflight,
      max_concurrent: health.maxConcurrent,
      success_rate: health.successRate ?? null,
      performance: pathJson(this.monitor.model(target.model)),
      grades: grades.map(({ grade, calls, failures, success, upgradedUntil }) => ({
        grade,
        calls,
        failures,
        expected_success: success,
        upgraded_until: isoOrNull(upgradedUntil),
      })),
    };
  }
}

function decisionJson(decision: RouteDecision): unknown {
  return {
    id: decision.id,
    at: new Date(decision.at).toISOString(),
    kind: decision.kind,
    requested: decision.requested,
    model: decision.chosen,
    grade: decision.grade ?? null,
    reason: decision.reason,
    level: decision.level,
    path: decision.path,
    attempts: decision.attempts.map((target) => target.model),
    cascade:
      decision.cascade === undefined
        ? null
        : { cheap: decision.cascade.cheap[0]?.model, strong: decision.cascade.strong[0]?.model },
    experiment: decision.experiment ?? null,
    features: decision.features === undefined ? null : featuresJson(decision.features),
    candidates: decision.candidates.map((candidate) => ({
      model: candidate.model,
      scores: candidate.scores ?? null,
      total: candidate.total ?? null,
      expected_cost_usd:
        candidate.expectedMicroUsd === undefined ? null : candidate.expectedMicroUsd / 1e6,
      lost: candidate.lost ?? null,
    })),
    cached: decision.cached,
    took_ms: decision.tookMs,
  };
}

function featuresJson(features: PromptFeatures): unknown {
  return {
    prompt_tokens: features.promptTokens,
    max_tokens: features.maxTokens ?? null,
    last_message_tokens: features.lastTokens,
    turns: features.turns,
    needs: features.needs,
    security: features.security ?? null,
    follow_up: features.followUp,
    keyword: features.keyword ?? null,
    hint: features.hint ?? null,
    code_lines: features.codeLines,
    uplift: features.uplift,
  };
}

function isoOrNull(epochMs: number | undefined): string | null {
  return epochMs === undefined ? null : new Date(epochMs).toISOString();
}
