import type { ChatCall, Target } from '@sluice/kernel';
import type { RoutableModel } from '../ports/target-catalog.port.js';
import type { RoutingPorts } from '../ports/routing-ports.js';
import type { TargetHealth } from '../ports/target-health.port.js';
import { assertCapable, isCapable, type Work } from '../features/needs.js';
import { mayUse } from '../selection/candidate.filters.js';
import { attemptsOf } from './attempts.js';
import type { LoadBalancer } from '../selection/load.balancer.js';
import { unknownModel } from './no-candidate.error.js';

export interface ExplicitWorld {
  readonly ports: RoutingPorts;
  readonly balancer: LoadBalancer;
  readonly work: Work;
  /** Epoch ms. */
  readonly now: number;
}

export interface ExplicitRoute {
  /** The named one, or its equal whose turn it is. */
  readonly model: RoutableModel;
  readonly attempts: readonly Target[];
}

/**
 * A model the caller named: it with its retries, then its fallbacks that can do the work. Fallbacks that are equal to it
 * share its calls by weight. Targets that are down go to the end and are not dropped: what the caller asked for is tried
 * at least once.
 * @throws GatewayError model_not_found; invalid_request for what the named one declares it cannot do
 */
export function explicitRoute(
  call: ChatCall,
  id: string,
  { ports, balancer, work, now }: ExplicitWorld,
): ExplicitRoute {
  const model = ports.catalog.find(id);
  if (model === undefined || !model.enabled || !mayUse(call, model)) throw unknownModel(id);
  assertCapable(call, model.target, work);
  const { health } = ports;
  if (model.config.fallbacks.length === 0) {
    return { model, attempts: upFirst(attemptsOf(model, ports.catalog), health, now) };
  }
  const usable = model.config.fallbacks.flatMap((fallbackId) => {
    const fallback = ports.catalog.find(fallbackId);
    if (fallback === undefined || fallbackId === id) return [];
    const open =
      fallback.enabled && mayUse(call, fallback) && isCapable(call, fallback.target, work);
    return open ? [fallback] : [];
  });
  const pool = [model, ...usable.filter((fallback) => fallback.pool === model.pool)];
  const others = usable.filter((fallback) => fallback.pool !== model.pool);
  const isUp = (m: RoutableModel) => health.isUp(m.target, now);
  const first = [...balancer.order(pool.filter(isUp)), ...pool.filter((m) => !isUp(m))];
  const line: Target[] = [];
  for (const each of [...first, ...others]) {
    if (line.some((target) => target.model === each.target.model)) continue;
    line.push(...attemptsOf(each, ports.catalog));
  }
  return { model: first[0] ?? model, attempts: upFirst(line, health, now) };
}

/** The same targets, those that are down at the end. Retries stand side by side, so each target is asked after once. */
function upFirst(line: readonly Target[], health: TargetHealth, now: number): readonly Target[] {
  let seen: Target | undefined;
  let down: Set<Target> | undefined;
  for (const target of line) {
    if (target !== seen && !health.isUp(target, now)) (down ??= new Set()).add(target);
    seen = target;
  }
  if (down === undefined) return line;
  const isDown = (target: Target) => down.has(target);
  return [...line.filter((target) => !isDown(target)), ...line.filter(isDown)];
}
