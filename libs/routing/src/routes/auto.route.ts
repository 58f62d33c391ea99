import { Injectable } from '@nestjs/common';
import { ConfigStore } from '@sluice/config';
import { Clock, GatewayError, type ChatCall, type Grade, type Target } from '@sluice/kernel';
import type {
  CandidateReport,
  CascadePlan,
  PromptFeatures,
  RoutingLevel,
} from '../decisions/decision.js';
import { RuntimeFlags } from '../flags/runtime.flags.js';
import { RoutingLearning } from '../learning/routing.learning.js';
import type { RoutableModel } from '../ports/target-catalog.port.js';
import { RoutingPorts } from '../ports/routing-ports.js';
import { unhealthy } from '../ports/target-health.port.js';
import { RoutingMetrics } from '../routing.metrics.js';
import { mayUse } from '../selection/candidate.filters.js';
import {
  CandidateSelector,
  type Candidate,
  type Ranking,
} from '../selection/candidate.selector.js';
import { cheapFirst } from '../selection/cascade.plan.js';
import { harder, rank } from '../selection/grade.classifier.js';
import { LoadBalancer } from '../selection/load.balancer.js';
import { PromptReader } from '../selection/prompt.reader.js';
import { RankingCache } from '../selection/ranking.cache.js';
import { SessionMemory } from '../selection/session.memory.js';
import { ROUTING_SIGNALS } from '../signals/catalogue.js';
import { orderedAttempts, attemptsOf } from './attempts.js';
import { noCandidate } from './no-candidate.error.js';

export interface AutoRouteResult {
  readonly model: RoutableModel;
  readonly attempts: readonly Target[];
  readonly grade: Grade;
  readonly reason: string;
  readonly level: RoutingLevel;
  readonly features: PromptFeatures | undefined;
  readonly candidates: readonly CandidateReport[];
  readonly cascade?: CascadePlan;
  readonly cached: boolean;
}

interface Graded {
  readonly grade: Grade;
  readonly reason: string;
  /** The least grade that may serve: the grade itself for security work, else the lowest. */
  readonly floor: Grade;
}

/**
 * `model: "auto"`: features → grade → candidates → scores → ordered attempts. When something in it breaks, the rules
 * alone decide; when those break too, any healthy model does. A dead end is an error that says why.
 */
@Injectable()
export class AutoRoute {
  readonly sessions = new SessionMemory();
  readonly balancer: LoadBalancer;
  readonly #reader: PromptReader;
  readonly #selector: CandidateSelector;
  readonly #cache: RankingCache;

  constructor(
    private readonly config: ConfigStore,
    private readonly clock: Clock,
    private readonly ports: RoutingPorts,
    private readonly learning: RoutingLearning,
    private readonly metrics: RoutingMetrics,
    private readonly flags: RuntimeFlags,
  ) {
    this.#reader = new PromptReader(() => learning.thresholds.threshold());
    this.#selector = new CandidateSelector(
      ports,
      learning.ledger,
      ROUTING_SIGNALS,
      (signal, model) => {
        metrics.signalFault(signal, model);
      },
    );
    this.#cache = new RankingCache(clock);
    this.balancer = new LoadBalancer(ports.health);
  }

  /** @throws GatewayError model_not_found | context_too_long | overloaded */
  decide(call: ChatCall): AutoRouteResult {
    try {
      return this.#decideAt('full', call, this.flags.isOn('async_routing', call));
    } catch (error) {
      if (error instanceof GatewayError) throw error;
      this.metrics.levelFailed('full', error);
    }
    try {
      return this.#decideAt('rules', call, false);
    } catch (error) {
      if (error instanceof GatewayError) throw error;
      this.metrics.levelFailed('rules', error);
    }
    return this.#anyHealthy(call);
  }

  #decideAt(level: 'full' | 'rules', call: ChatCall, useCache: boolean): AutoRouteResult {
    const { routing } = this.config.current.sluice;
    const features = this.#reader.features(level, call.prompt, routing);
    const graded = this.#grade(level, call, features);
    const state = this.sessions.get(call);
    const request = {
      call,
      features,
      grade: graded.grade,
      routing,
      warm: state?.model,
      now: this.clock.now(),
    };
    const rankNow = () => this.#selector.rank(request);
    const found = useCache
      ? this.#cache.through(
          request,
          { ports: this.ports, ledger: this.learning.ledger, version: this.config.current.version },
          rankNow,
        )
      : { ranking: rankNow(), cached: false };
    const { ranking } = found;
    const stayed = this.#stay(ranking, state, graded.grade);
    const ordered = stayed?.ranked ?? this.#balanced(ranking.ranked, graded.grade, state?.model);
    const [best] = ordered;
    if (best === undefined) return this.#below(call, ranking, graded, features);
    this.#remember(call, best, graded.grade, features);
    const cheap =
      level === 'full' && routing.cascade === 'on' && this.flags.isOn('cascade', call)
        ? cheapFirst(features, best, ranking.below, this.learning.ledger)
        : undefined;
    const attempts = orderedAttempts(
      ordered.map((c) => c.model),
      this.ports.catalog,
    );
    return {
      model: best.model,
      attempts,
      grade: graded.grade,
      reason: stayed === undefined ? graded.reason : 'session',
      level,
      features,
      candidates: ranking.reports,
      cached: found.cached,
      ...(cheap === undefined
        ? {}
        : { cascade: { cheap: attemptsOf(cheap.model, this.ports.catalog), strong: attempts } }),
    };
  }

  #grade(level: 'full' | 'rules', call: ChatCall, features: PromptFeatures): Graded {
    const { routing } = this.config.current.sluice;
    const verdict = this.#reader.classify(level, features, routing);
    let { grade, reason } = verdict;
    const state = this.sessions.get(call);
    let security = features.security !== undefined;
    if (features.followUp && state !== undefined) {
      // "continue" means more of the same, whatever the word itself would be graded.
      security ||= state.security;
      grade = features.turns > 1 ? harder(grade, state.grade) : state.grade;
      reason = 'follow_up';
    } else if (features.followUp && features.turns > 1) reason = 'follow_up';
    const minimum = security ? routing.security.minimumGrade : 'simple';
    const limited = this.ports.ceiling.limit(grade, call.caller);
    if (rank(limited) < rank(grade)) {
      const floor = harder(limited, minimum);
      if (floor !== grade) reason = 'ceiling';
      grade = floor;
    }
    return { grade: harder(grade, minimum), reason, floor: minimum };
  }

  /** A session keeps its model while that is trusted with the work: changing loses the provider's prompt cache. */
  #stay(
    ranking: Ranking,
    state: ReturnType<SessionMemory['get']>,
    grade: Grade,
  ): { readonly ranked: readonly Candidate[] } | undefined {
    if (state === undefined) return undefined;
    const at = ranking.ranked.findIndex((c) => c.model.target.model === state.model);
    const own = ranking.ranked[at];
    if (own === undefined || at === 0 || this.learning.ledger.isUpgraded(state.model, grade))
      return undefined;
    return { ranked: [own, ...ranking.ranked.filter((c) => c !== own)] };
  }

  /** The best candidate's equals share its calls. Outside the cached ranking, for load changes with every call. */
  #balanced(
    ranked: readonly Candidate[],
    grade: Grade,
    warm: string | undefined,
  ): readonly Candidate[] {
    const [best] = ranked;
    if (best === undefined || best.model.target.model === warm) return ranked;
    const pool = ranked.filter(
      ({ model }) =>
        model.pool === best.model.pool &&
        !this.learning.ledger.isUpgraded(model.target.model, grade),
    );
    if (pool.length < 2) return ranked;
    const order = this.balancer.order(pool.map((candidate) => candidate.model));
    const turn = (candidate: Candidate) => order.indexOf(candidate.model);
    return [
      ...pool.toSorted((a, b) => turn(a) - turn(b)),
      ...ranked.filter((candidate) => !pool.includes(candidate)),
    ];
  }

  #remember(call: ChatCall, best: Candidate, grade: Grade, features: PromptFeatures): void {
    if (call.session === undefined) return;
    const before = this.sessions.get(call);
    const security =
      features.security !== undefined || (features.followUp && before?.security === true);
    this.sessions.set(call, { model: best.model.target.model, grade, security });
  }

  /** No model of the grade is left: the next best that is up, unless the work may not go below its grade. */
  #below(
    call: ChatCall,
    ranking: Ranking,
    graded: Graded,
    features: PromptFeatures,
  ): AutoRouteResult {
    const least = rank(graded.floor);
    const allowed = ranking.below.filter((c) => {
      const grade = c.model.target.grade;
      return least === 0 || (grade !== undefined && rank(grade) >= least);
    });
    const [best] = allowed;
    if (best === undefined) throw this.#nothing(ranking, graded);
    this.#remember(call, best, graded.grade, features);
    return {
      model: best.model,
      attempts: orderedAttempts(
        allowed.map((c) => c.model),
        this.ports.catalog,
      ),
      grade: graded.grade,
      reason: 'no_model_of_grade',
      level: 'any',
      features,
      candidates: ranking.reports,
      cached: false,
    };
  }

  #nothing(ranking: Ranking, graded: Graded): GatewayError {
    const { catalog, health } = this.ports;
    if (ranking.removed.some((r) => r.filter !== 'access') || ranking.below.length === 0) {
      return noCandidate({ removed: ranking.removed, catalog, health, now: this.clock.now() });
    }
    const names = ranking.below.map(
      (c) => `${c.model.target.model} (${c.model.target.grade ?? 'no grade'})`,
    );
    return new GatewayError(
      'model_not_found',
      `No model is left for this request: security work needs grade ${graded.floor}; grade removed ${names.join(', ')}.`,
      { param: 'model', shouldRetry: false },
    );
  }

  #anyHealthy(call: ChatCall): AutoRouteResult {
    const now = this.clock.now();
    const up = this.ports.catalog
      .list()
      .filter((m) => m.enabled && mayUse(call, m) && !m.target.capabilities.includes('embeddings'))
      .filter((m) => unhealthy(this.ports.health.reading(m.target), now) === undefined)
      .toSorted((a, b) => trust(b) - trust(a));
    const [best] = up;
    if (best === undefined) {
      throw new GatewayError(
        'overloaded',
        'No model is left for this request: health removed all.',
        {
          retryAfterMs: 1000,
        },
      );
    }
    return {
      model: best,
      attempts: orderedAttempts(up, this.ports.catalog),
      grade: best.target.grade ?? 'complex',
      reason: 'any',
      level: 'any',
      features: undefined,
      candidates: [],
      cached: false,
    };
  }
}

function trust(model: RoutableModel): number {
  return model.target.grade === undefined ? -1 : rank(model.target.grade);
}
