import { ConfigTargetCatalog } from '../../libs/routing/src/ports/target-catalog.port.js';
import type { LoggedDecision } from '../../libs/routing/src/decisions/decision.file.js';
import { UpliftEstimator } from '../../libs/routing/src/estimator/uplift.estimator.js';
import { expectedCost } from '../../libs/routing/src/selection/expected-cost.js';
import { GradeClassifier, rank } from '../../libs/routing/src/selection/grade.classifier.js';
import { CandidateSelector } from '../../libs/routing/src/selection/candidate.selector.js';
import { ROUTING_SIGNALS } from '../../libs/routing/src/signals/catalogue.js';
import { callerNamed, callOf, routingWorld } from '../../libs/routing/testing/routing.world.js';
import type { PromptFeatures } from '../../libs/routing/src/decisions/decision.js';
import type { ConfigStore, RoutingConfig } from '@sluice/config';
import { GRADES, SystemClock, type Grade, type Target } from '@sluice/kernel';
import { ModelCatalog, PromptCounter, TokenCounter } from '@sluice/model-catalog';

export interface ReplaySum {
  calls: number;
  usd: number;
  /** Expected share of calls that a stronger model would have got right and the chosen one does not. */
  expectedLoss: number;
  readonly models: Map<string, number>;
}

/**
 * Sends logged decisions through another configuration: same features, everybody healthy, nothing learnt. Cost is exact for
 * the logged tokens; the loss is the estimator's opinion and worth what that is worth. The log has the keyword that was met
 * and not the prompt: a keyword may change its grade or go, and a new one finds nothing.
 */
export function replay(
  decisions: readonly LoggedDecision[],
  config: ConfigStore,
): { readonly then: ReplaySum; readonly now: ReplaySum; readonly unroutable: number } {
  const tokens = new TokenCounter();
  const catalog = new ConfigTargetCatalog(
    config,
    new ModelCatalog(config, new SystemClock(), tokens, new PromptCounter(tokens)),
  );
  const { ports, learning } = routingWorld({}, { catalog });
  const selector = new CandidateSelector(ports, learning.ledger, ROUTING_SIGNALS, () => undefined);
  const classifier = new GradeClassifier(UpliftEstimator.bundled());
  const { routing } = config.current.sluice;
  const then = emptySum();
  const now = emptySum();
  let unroutable = 0;
  for (const logged of decisions) {
    const before = catalog.find(logged.chosen);
    const features = { ...logged.features, keyword: keywordUnder(logged, routing) };
    const grade = gradeOf(logged, () => classifier.classify(features, routing).grade);
    const request = {
      call: callOf('', { caller: callerNamed('replay', logged.tier) }),
      features,
      grade,
      routing,
      warm: undefined,
      now: 0,
    };
    const ranking = selector.rank(request);
    const after = ranking.ranked[0] ?? ranking.below[0];
    if (before === undefined || after === undefined) {
      unroutable++;
      continue;
    }
    add(then, logged, before.target);
    add(now, logged, after.model.target);
  }
  return { then, now, unroutable };
}

function keywordUnder(
  { features }: LoggedDecision,
  { keywords }: RoutingConfig,
): PromptFeatures['keyword'] {
  const word = features.keyword?.word;
  if (word === undefined) return undefined;
  const same = (other: string) => other.trim().toLowerCase() === word;
  const grade = GRADES.toReversed().find((g) => keywords[g].some(same));
  return grade === undefined ? undefined : { word, grade };
}

/** A follow-up's grade came from its conversation, which the log does not hold: it stays as it was. */
function gradeOf(logged: LoggedDecision, classify: () => Grade): Grade {
  return logged.reason === 'follow_up' && logged.grade !== undefined
    ? (logged.grade as Grade)
    : classify();
}

function emptySum(): ReplaySum {
  return { calls: 0, usd: 0, expectedLoss: 0, models: new Map() };
}

function add(sum: ReplaySum, logged: LoggedDecision, target: Target): void {
  sum.calls++;
  sum.usd += (expectedCost(target.price, logged.input, logged.output) ?? 0) / 1e6;
  // A model of the highest grade loses nothing against itself.
  const below = target.grade === undefined ? 2 : rank('complex') - rank(target.grade);
  sum.expectedLoss += logged.features.uplift * (below / 2);
  sum.models.set(target.model, (sum.models.get(target.model) ?? 0) + 1);
}
