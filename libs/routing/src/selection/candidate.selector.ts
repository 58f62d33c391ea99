import type { RoutingConfig } from '@sluice/config';
import type { ChatCall, Grade } from '@sluice/kernel';
import type { CandidateReport, PromptFeatures } from '../decisions/decision.js';
import type { SuccessLedger } from '../learning/success.ledger.js';
import type { RoutableModel } from '../ports/target-catalog.port.js';
import type { RoutingPorts } from '../ports/routing-ports.js';
import type { RoutingSignal, SignalInput } from '../signals/routing.signal.js';
import { removalOf, type Removal } from './candidate.filters.js';
import { expectedCost, expectedOutput } from './expected-cost.js';
import { rank } from './grade.classifier.js';
import { dominatorOf } from './pareto.js';

export type Candidate = SignalInput;

export interface Ranking {
  /** Best first. */
  readonly ranked: readonly Candidate[];
  readonly reports: readonly CandidateReport[];
  /** Models that some filter removed, with the filter. */
  readonly removed: readonly (Removal & { readonly model: string })[];
  /** Models that passed every filter but are not trusted with this grade, the most trusted first. */
  readonly below: readonly Candidate[];
}

export interface SelectionRequest {
  readonly call: ChatCall;
  readonly features: PromptFeatures;
  readonly grade: Grade;
  readonly routing: RoutingConfig;
  readonly warm: string | undefined;
  /** Epoch ms. */
  readonly now: number;
}

/** From all models to the ranked few: filters, trust, upgrades, Pareto, scores. */
export class CandidateSelector {
  constructor(
    private readonly ports: RoutingPorts,
    private readonly ledger: SuccessLedger,
    private readonly signals: readonly RoutingSignal[],
    private readonly onSignalFault: (signal: string, model: string) => void,
  ) {}

  rank(request: SelectionRequest): Ranking {
    const reports: CandidateReport[] = [];
    const removed: (Removal & { model: string })[] = [];
    const passed: Candidate[] = [];
    for (const model of this.ports.catalog.list()) {
      const health = this.ports.health.reading(model.target);
      const removal = removalOf({ ...request, model, health });
      if (removal === undefined) passed.push(this.#candidate(request, model, health));
      else {
        removed.push({ ...removal, model: model.target.model });
        reports.push({ model: model.target.model, lost: `${removal.filter}: ${removal.reason}` });
      }
    }
    const priced = withPrices(passed);
    const trusted = priced.filter((c) => isTrusted(c, request.grade));
    const below = priced
      .filter((c) => !isTrusted(c, request.grade))
      .toSorted((a, b) => trust(b) - trust(a) || a.expectedMicroUsd - b.expectedMicroUsd);
    for (const c of below) {
      reports.push({
        model: nameOf(c),
        lost: `grade: trusted with ${c.model.target.grade ?? 'nothing'} only`,
      });
    }
    const { kept, upgraded } = this.#withoutUpgraded(trusted, request.grade);
    const ranked = this.#score(kept, request, reports);
    for (const c of upgraded) {
      reports.push({
        model: nameOf(c),
        lost: `upgrade: failed too often at grade ${request.grade}`,
      });
    }
    // What lost for a soft reason still beats a dead end.
    return { ranked: [...ranked, ...upgraded], reports, removed, below };
  }

  #candidate(
    request: SelectionRequest,
    model: RoutableModel,
    health: Candidate['health'],
  ): Candidate {
    const { features, grade } = request;
    const price = model.target.price;
    const cost = expectedCost(price, features.promptTokens, expectedOutput(features, grade));
    return {
      model,
      health,
      grade,
      expectedMicroUsd: cost ?? Number.NaN,
      success: this.ledger.success(model.target.model, grade),
      warm: request.warm,
    };
  }

  #withoutUpgraded(
    trusted: readonly Candidate[],
    grade: Grade,
  ): { kept: Candidate[]; upgraded: Candidate[] } {
    const upgraded = trusted.filter((c) => this.ledger.isUpgraded(nameOf(c), grade));
    // When every model of the grade is under upgrade there is nothing left to move up to.
    if (upgraded.length === trusted.length) return { kept: [...trusted], upgraded: [] };
    return { kept: trusted.filter((c) => !upgraded.includes(c)), upgraded };
  }

  #score(
    kept: readonly Candidate[],
    request: SelectionRequest,
    reports: CandidateReport[],
  ): Candidate[] {
    const dominated = new Map(
      kept.flatMap((c) => {
        const by = dominatorOf(c, kept);
        return by === undefined ? [] : [[c, by] as const];
      }),
    );
    const front = kept.filter((c) => !dominated.has(c));
    const score = (list: readonly Candidate[]) =>
      list
        .map((candidate) => this.#total(candidate, list, request.routing))
        .toSorted(
          (a, b) =>
            b.total - a.total || a.candidate.expectedMicroUsd - b.candidate.expectedMicroUsd,
        );
    const best = score(front);
    const rest = score([...dominated.keys()]);
    const [winner] = best;
    for (const scored of best) {
      const lost =
        scored === winner || winner === undefined
          ? undefined
          : `score: below ${nameOf(winner.candidate)}`;
      reports.push(reportOf(scored, lost));
    }
    for (const scored of rest) {
      const by = dominated.get(scored.candidate);
      reports.push(
        reportOf(scored, `pareto: ${by === undefined ? '' : nameOf(by)} is cheaper and no worse`),
      );
    }
    return [...best, ...rest].map((scored) => scored.candidate);
  }

  #total(candidate: Candidate, all: readonly Candidate[], routing: RoutingConfig): Scored {
    const scores: Record<string, number> = {};
    let total = 0;
    let weights = 0;
    for (const signal of this.signals) {
      let score = signal.score(candidate, all);
      if (!Number.isFinite(score)) {
        // A broken signal must neither win nor lose the call for anybody.
        this.onSignalFault(signal.name, nameOf(candidate));
        score = 0.5;
      }
      score = Math.min(1, Math.max(0, score));
      scores[signal.name] = score;
      const weight = routing.weights[signal.name];
      total += weight * score;
      weights += weight;
    }
    return { candidate, scores, total: weights === 0 ? 0 : total / weights };
  }
}

interface Scored {
  readonly candidate: Candidate;
  readonly scores: Readonly<Record<string, number>>;
  readonly total: number;
}

function reportOf(scored: Scored, lost: string | undefined): CandidateReport {
  return {
    model: nameOf(scored.candidate),
    scores: scored.scores,
    total: scored.total,
    expectedMicroUsd: scored.candidate.expectedMicroUsd,
    ...(lost === undefined ? {} : { lost }),
  };
}

function nameOf(candidate: Candidate): string {
  return candidate.model.target.model;
}

function isTrusted(candidate: Candidate, grade: Grade): boolean {
  return trust(candidate) >= rank(grade);
}

function trust(candidate: Candidate): number {
  const grade = candidate.model.target.grade;
  return grade === undefined ? -1 : rank(grade);
}

/** A model without a price is taken for the dearest: it must not win by a gap in the price list. */
function withPrices(candidates: readonly Candidate[]): Candidate[] {
  const known = candidates.map((c) => c.expectedMicroUsd).filter((cost) => Number.isFinite(cost));
  const dearest = known.length === 0 ? 0 : Math.max(...known);
  return candidates.map((c) =>
    Number.isFinite(c.expectedMicroUsd) ? c : { ...c, expectedMicroUsd: dearest },
  );
}
