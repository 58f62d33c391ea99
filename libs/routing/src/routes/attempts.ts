import type { AnswerPath, Target } from '@sluice/kernel';
import type { RoutableModel, TargetCatalog } from '../ports/target-catalog.port.js';

/** More targets than this only make a caller wait for the same bad news. */
const MAX_TARGETS = 5;

/**
 * One model as a list of attempts. A retry is a repeated line. A hybrid model answers over MCP once, and its named
 * direct model, with that model's retries, takes over.
 */
export function attemptsOf(model: RoutableModel, catalog: TargetCatalog): Target[] {
  const second = model.config.hybrid === undefined ? undefined : catalog.find(model.config.hybrid);
  if (second?.enabled === true) return [model.target, ...repeat(second)];
  return repeat(model);
}

/** The first model with its retries, then the others once each. */
export function orderedAttempts(
  models: readonly RoutableModel[],
  catalog: TargetCatalog,
): Target[] {
  const [first, ...rest] = models;
  if (first === undefined) return [];
  const attempts = attemptsOf(first, catalog);
  const seen = new Set(attempts.map((target) => target.model));
  for (const model of rest) {
    if (seen.size >= MAX_TARGETS) break;
    if (seen.has(model.target.model)) continue;
    seen.add(model.target.model);
    attempts.push(model.target);
  }
  return attempts;
}

export function pathOf(model: RoutableModel | undefined): AnswerPath {
  if (model?.providerKind !== 'mcp') return 'direct';
  return model.config.hybrid === undefined ? 'mcp' : 'hybrid';
}

function repeat(model: RoutableModel): Target[] {
  return Array.from({ length: 1 + model.config.retries }, () => model.target);
}
