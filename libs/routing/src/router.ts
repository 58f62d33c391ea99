import { Injectable } from '@nestjs/common';
import { ConfigStore, type EnsembleConfig } from '@sluice/config';
import { Clock, GRADES, uuidv7, type ChatCall, type RoutingFact } from '@sluice/kernel';
import type { CandidateReport, RouteDecision } from './decisions/decision.js';
import { DecisionLog } from './decisions/decision.log.js';
import {
  armModels,
  ExperimentSplitter,
  type Assignment,
} from './experiments/experiment.splitter.js';
import type { Work } from './features/needs.js';
import { RoutingPorts } from './ports/routing-ports.js';
import type { RoutableModel } from './ports/target-catalog.port.js';
import { AutoRoute, type AutoRouteResult } from './routes/auto.route.js';
import { attemptsOf, pathOf } from './routes/attempts.js';
import { explicitRoute } from './routes/explicit.route.js';
import { mayUse } from './selection/candidate.filters.js';
import { rank } from './selection/grade.classifier.js';

export const AUTO = 'auto';

type Draft = Omit<RouteDecision, 'id' | 'at' | 'tookMs' | 'requested'>;

/** Decides where a call goes. Synchronous inside and free of I/O: about 0.1 ms for a prompt of usual length. */
@Injectable()
export class Router {
  constructor(
    private readonly config: ConfigStore,
    private readonly clock: Clock,
    private readonly ports: RoutingPorts,
    private readonly auto: AutoRoute,
    private readonly experiments: ExperimentSplitter,
    private readonly log: DecisionLog,
  ) {}

  /**
   * Chooses the targets to try, in order, and notes the choice in the call's journal.
   * @throws GatewayError model_not_found | context_too_long | overloaded, saying which filter removed which model;
   *   invalid_request for what a named model declares it cannot do
   */
  route(call: ChatCall, work: Work = 'chat'): RouteDecision {
    const started = this.clock.monotonic();
    const { sluice } = this.config.current;
    const name = call.model === AUTO ? sluice.routing.default : call.model;
    const ensemble =
      sluice.ensembles.length === 0 ? undefined : sluice.ensembles.find((e) => e.id === name);
    let draft: Draft;
    if (ensemble !== undefined) draft = ofEnsemble(ensemble);
    else if (name === AUTO) draft = this.#automatic(call);
    else draft = this.#explicit(call, name, work);
    const at = this.clock.now();
    const decision: RouteDecision = {
      ...draft,
      id: uuidv7(at),
      at,
      requested: call.model,
      tookMs: this.clock.monotonic() - started,
    };
    call.journal.routing = this.#fact(decision);
    call.journal.path = decision.path;
    if (decision.level !== 'full') call.journal.headers['x-sluice-routing-level'] = decision.level;
    this.log.add(call, decision);
    return decision;
  }

  #explicit(call: ChatCall, name: string, work: Work): Draft {
    const { model, attempts } = explicitRoute(call, name, {
      ports: this.ports,
      balancer: this.auto.balancer,
      work,
      now: this.clock.now(),
    });
    return {
      kind: 'single',
      chosen: model.target.model,
      grade: model.target.grade,
      reason: call.model === AUTO ? 'default' : 'explicit',
      level: 'full',
      path: pathOf(model),
      attempts,
      features: undefined,
      candidates: candidatesOf(model),
      cached: false,
    };
  }

  #automatic(call: ChatCall): Draft {
    const result = this.auto.decide(call);
    const { model, ...routed } = result;
    const assignment = this.#enrol(call, result);
    const experiment =
      assignment === undefined
        ? {}
        : { experiment: { id: assignment.experiment.id, arm: assignment.arm } };
    const arm =
      assignment?.model === undefined ? undefined : this.ports.catalog.find(assignment.model);
    if (arm === undefined) {
      return {
        kind: 'single',
        chosen: model.target.model,
        path: pathOf(model),
        ...routed,
        ...experiment,
      };
    }
    const { cascade: _ended, ...rest } = routed;
    const line = attemptsOf(arm, this.ports.catalog);
    // Should the arm's model fail, the router's own choice takes over: an experiment must not cost answers.
    const attempts = [
      ...line,
      ...result.attempts.filter((t) => line.every((own) => own.model !== t.model)),
    ];
    return {
      kind: 'single',
      chosen: arm.target.model,
      path: pathOf(arm),
      ...rest,
      ...experiment,
      attempts,
      reason: 'experiment',
    };
  }

  /** The first experiment whose every arm could serve this call, so that arms differ by the model alone. */
  #enrol(call: ChatCall, result: AutoRouteResult): Assignment | undefined {
    if (result.features === undefined) return undefined;
    return this.experiments
      .assignments(call)
      .find(({ experiment }) =>
        armModels(experiment).every((id) => this.#couldServe(call, id, result)),
      );
  }

  #couldServe(call: ChatCall, id: string, { features }: AutoRouteResult): boolean {
    const model = this.ports.catalog.find(id);
    if (model === undefined || features === undefined || !model.enabled || !mayUse(call, model))
      return false;
    const { capabilities, contextTokens, grade } = model.target;
    if (!features.needs.every((need) => capabilities.includes(need))) return false;
    if (features.promptTokens + (features.maxTokens ?? 1) > (contextTokens ?? Infinity))
      return false;
    if (features.security === undefined) return true;
    const minimum = this.config.current.sluice.routing.security.minimumGrade;
    return grade !== undefined && rank(grade) >= rank(minimum);
  }

  #fact(decision: RouteDecision): RoutingFact {
    const fact: { -readonly [Name in keyof RoutingFact]: RoutingFact[Name] } = {
      requested: decision.requested,
      reason: decision.reason,
      chosen: decision.chosen,
      level: decision.level,
      decisionId: decision.id,
    };
    if (decision.grade !== undefined) fact.grade = decision.grade;
    if (decision.experiment !== undefined) fact.experiment = decision.experiment;
    const dearest = decision.features === undefined ? undefined : this.#dearest();
    if (dearest !== undefined) fact.alternativeMicroUsdPerToken = dearest;
    return fact;
  }

  /** What "always the best model" would have cost: the dearest enabled model of the highest grade there is. */
  #dearest(): { input: number; output: number } | undefined {
    const priced = this.ports.catalog
      .list()
      .filter((m) => m.enabled && m.target.price !== undefined);
    for (const grade of GRADES.toReversed()) {
      const [dearest] = priced
        .filter((m) => m.target.grade === grade)
        .toSorted((a, b) => sum(b) - sum(a));
      const price = dearest?.target.price;
      if (price !== undefined) return { input: price.input, output: price.output };
    }
    return undefined;
  }
}

/** A named model is the only candidate: one list for all its calls. */
const candidates = new WeakMap<RoutableModel, readonly CandidateReport[]>();

function candidatesOf(model: RoutableModel): readonly CandidateReport[] {
  let list = candidates.get(model);
  if (list === undefined) candidates.set(model, (list = [{ model: model.target.model }]));
  return list;
}

function sum({ target }: RoutableModel): number {
  return (target.price?.input ?? 0) + (target.price?.output ?? 0);
}

function ofEnsemble(ensemble: EnsembleConfig): Draft {
  return {
    kind: 'ensemble',
    chosen: ensemble.id,
    grade: undefined,
    reason: 'ensemble',
    level: 'full',
    path: 'direct',
    attempts: [],
    ensemble,
    features: undefined,
    candidates: ensemble.models.map((model) => ({ model })),
    cached: false,
  };
}
