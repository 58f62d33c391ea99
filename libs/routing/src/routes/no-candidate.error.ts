import { GatewayError } from '@sluice/kernel';
import type { TargetHealth } from '../ports/target-health.port.js';
import type { TargetCatalog } from '../ports/target-catalog.port.js';
import type { FilterName, Removal } from '../selection/candidate.filters.js';

/** OpenAI's own wording, so that programs which look for it find it. */
export function unknownModel(model: string): GatewayError {
  return new GatewayError(
    'model_not_found',
    `The model \`${model}\` does not exist or you do not have access to it.`,
    { param: 'model', shouldRetry: false },
  );
}

interface Situation {
  readonly removed: readonly (Removal & { readonly model: string })[];
  readonly catalog: TargetCatalog;
  readonly health: TargetHealth;
  readonly now: number;
}

/** Why nothing is left, by the filter that took the last model: 404 for what will not change, 503 for what will. */
export function noCandidate({ removed, catalog, health, now }: Situation): GatewayError {
  // Models that the caller may not use are not named: their names are none of the caller's business.
  const open = removed.filter((r) => r.filter !== 'access');
  if (open.length === 0) {
    return new GatewayError('model_not_found', 'No model is open to this caller.', {
      param: 'model',
      shouldRetry: false,
    });
  }
  const explained = `No model is left for this request: ${explain(open)}.`;
  const filters = new Set(open.map((r) => r.filter));
  if (filters.has('health')) {
    const waits = open
      .filter((r) => r.filter === 'health')
      .map((r) => catalog.find(r.model))
      .map((model) =>
        model === undefined ? undefined : health.reading(model.target).cooldownUntil,
      )
      .filter((until) => until !== undefined)
      .map((until) => until - now);
    return new GatewayError('overloaded', explained, {
      retryAfterMs: waits.length === 0 ? 1000 : Math.max(1, Math.min(...waits)),
    });
  }
  if (filters.has('window')) {
    return new GatewayError('context_too_long', explained, {
      param: 'messages',
      shouldRetry: false,
    });
  }
  return new GatewayError('model_not_found', explained, { param: 'model', shouldRetry: false });
}

function explain(removed: Situation['removed']): string {
  const by = new Map<FilterName, string[]>();
  for (const { filter, reason, model } of removed) {
    by.set(filter, [...(by.get(filter) ?? []), `${model} (${reason})`]);
  }
  return [...by].map(([filter, models]) => `${filter} removed ${models.join(', ')}`).join('; ');
}
