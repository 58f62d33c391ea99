import type { AnswerPath, Target } from '@sluice/kernel';
import type { RoutableModel, TargetCatalog } from '../ports/target-catalog.port.js';

/** More targets than this only make a caller wait for the same bad news. */
const MAX_TARGETS = 5;

/** By model, of which each configuration has its own objects. */
const lines = new WeakMap<RoutableModel, readonly Target[]>();

/**
 * One model as a list of attempts. A retry is a repeated line. A hybrid model answers over MCP once, and its named
 * direct model, with that model's retries, takes over.
 */
export function attemptsOf(model: RoutableModel, catalog: TargetCatalog): readonly Target[] {
  let line = lines.get(model);
  if (line === undefined) {
    const { hybrid } = model.config;
    const second = hybrid === undefined ? undefined : catalog.find(hybrid);
    line = second?.enabled === true ? [model.target, ...repeat(second)] : repeat(model);
    lines.set(model, line);
  }
  return line;
}

/** The first model with its retries, then the others once each. */
export function orderedAttempts(
  models: readonly RoutableModel[],
  catalog: TargetCatalog,
): Target[] {
  const [first, ...rest] = models;
  if (first === undefined) return [];
  const attempts = [...attemptsOf(first, catalog)];
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
