import type { ChatCall, Prompt, Target } from '@sluice/kernel';
import type { RoutableModel } from '../ports/target-catalog.port.js';
import type { RoutingPorts } from '../ports/routing-ports.js';
import { unhealthy } from '../ports/target-health.port.js';
import { needsOf } from '../features/needs.js';
import { mayUse } from '../selection/candidate.filters.js';
import { attemptsOf } from './attempts.js';
import { unknownModel } from './no-candidate.error.js';

export interface ExplicitRoute {
  readonly model: RoutableModel;
  readonly attempts: readonly Target[];
}

/**
 * A model the caller named: it with its retries, then its fallbacks that can do the work. Targets that are down go to
 * the end and are not dropped: what the caller asked for is tried at least once.
 * @throws GatewayError model_not_found
 */
export function explicitRoute(
  call: ChatCall,
  id: string,
  ports: RoutingPorts,
  now: number,
): ExplicitRoute {
  const model = ports.catalog.find(id);
  if (model === undefined || !model.enabled || !mayUse(call, model)) throw unknownModel(id);
  const line = attemptsOf(model, ports.catalog);
  const taken = new Set(line.map((target) => target.model));
  for (const fallbackId of model.config.fallbacks) {
    const fallback = ports.catalog.find(fallbackId);
    if (fallback === undefined || taken.has(fallbackId)) continue;
    if (!fallback.enabled || !mayUse(call, fallback) || !canServe(fallback, call.prompt)) continue;
    taken.add(fallbackId);
    line.push(...attemptsOf(fallback, ports.catalog));
  }
  const down = (target: Target) => unhealthy(ports.health.reading(target), now) !== undefined;
  return { model, attempts: [...line.filter((t) => !down(t)), ...line.filter(down)] };
}

function canServe(model: RoutableModel, prompt: Prompt): boolean {
  return needsOf(prompt).every((need) => model.target.capabilities.includes(need));
}
