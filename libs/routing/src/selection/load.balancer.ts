import type { RoutableModel } from '../ports/target-catalog.port.js';
import type { HealthReading, TargetHealth } from '../ports/target-health.port.js';

interface Member {
  readonly model: RoutableModel;
  readonly weight: number;
  /** Calls in flight per weight; beyond every other when no slot is free. */
  readonly load: number;
}

/**
 * Spreads calls over the equal models of a pool: fewest in flight for its weight, and among those that tie (all of them,
 * while traffic is thin) smooth weighted round robin, which interleaves shares instead of sending them in runs.
 */
export class LoadBalancer {
  /** Round robin's credit by model. Bounded by the models there ever were. */
  readonly #credit = new Map<string, number>();

  constructor(private readonly health: TargetHealth) {}

  /** The members of a pool in the order in which they are to be tried. */
  order(pool: readonly RoutableModel[]): RoutableModel[] {
    if (pool.length < 2) return [...pool];
    const members = pool.map((model) => memberOf(model, this.health.reading(model.target)));
    const least = Math.min(...members.map((member) => member.load));
    const first = this.#turn(members.filter((member) => member.load === least));
    const others = members.filter((member) => member.model !== first);
    return [first, ...others.toSorted((a, b) => a.load - b.load).map((member) => member.model)];
  }

  #turn(tied: readonly Member[]): RoutableModel {
    let total = 0;
    let chosen: { readonly model: RoutableModel; readonly credit: number } | undefined;
    for (const { model, weight } of tied) {
      const id = model.target.model;
      const credit = (this.#credit.get(id) ?? 0) + weight;
      this.#credit.set(id, credit);
      total += weight;
      if (chosen === undefined || credit > chosen.credit) chosen = { model, credit };
    }
    if (chosen === undefined) throw new TypeError('a turn among no models');
    this.#credit.set(chosen.model.target.model, chosen.credit - total);
    return chosen.model;
  }
}

function memberOf(model: RoutableModel, health: HealthReading): Member {
  const { inflight, maxConcurrent, successRate = 1 } = health;
  // A member that fails part of its calls gets less, long before its breaker opens; never nothing, or it would not recover.
  const fit = Number.isFinite(successRate) ? Math.max(successRate, 0.05) : 1;
  const weight = model.weight * fit;
  return { model, weight, load: inflight >= maxConcurrent ? Infinity : inflight / weight };
}
