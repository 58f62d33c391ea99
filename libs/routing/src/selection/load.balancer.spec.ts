import { describe, expect, it } from '@jest/globals';
import type { SluiceConfigInput } from '@sluice/config';
import fc from 'fast-check';
import { callOf, routingWorld, type WorldOptions } from '../../testing/routing.world.js';

const price = { input: 1, output: 2 };
/** One upstream model at as many providers as there are weights, the first of them named by callers. */
function pool(weights: readonly number[], options: WorldOptions = {}) {
  const ids = weights.map((_, i) => `m${i}`);
  const sluice: SluiceConfigInput = {
    providers: ids.map((id) => ({ id: `p-${id}`, kind: 'sandbox' })),
    models: ids.map((id, i) => ({
      id,
      provider: `p-${id}`,
      upstream: 'same',
      price,
      grade: 'simple',
      weight: weights[i]!,
      fallbacks: i === 0 ? ids.slice(1) : [],
    })),
  };
  const world = routingWorld(sluice, options);
  const inflight = new Map(ids.map((id) => [id, 0]));
  const load = (id: string, change: number) => {
    inflight.set(id, inflight.get(id)! + change);
    world.health.set(id, { inflight: inflight.get(id)!, maxConcurrent: 1e9 });
  };
  for (const id of ids) load(id, 0);
  return { ...world, ids, inflight, load };
}
const arrivals = fc.constantFrom('auto', 'm0');
const wholeWeights = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 2, maxLength: 5 });

describe('equal targets', () => {
  it('share thin traffic exactly by weight in every round, whether named or chosen by the router', () => {
    fc.assert(
      fc.property(
        wholeWeights,
        arrivals,
        fc.integer({ min: 1, max: 4 }),
        (weights, model, rounds) => {
          const { router, ids } = pool(weights);
          const total = weights.reduce((sum, weight) => sum + weight, 0);
          for (let round = 0; round < rounds; round++) {
            const served = new Map(ids.map((id) => [id, 0]));
            for (let i = 0; i < total; i++) {
              const { chosen } = router.route(callOf('What is TypeScript?', { model }));
              served.set(chosen, served.get(chosen)! + 1);
            }
            expect(ids.map((id) => served.get(id))).toEqual(weights);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('get each call where the fewest are in flight for the weight, whatever ends when', () => {
    fc.assert(
      fc.property(
        wholeWeights,
        fc.array(fc.nat({ max: 2 }), { minLength: 20, maxLength: 120 }),
        (weights, steps) => {
          const { router, ids, inflight, load } = pool(weights);
          const running: string[] = [];
          for (const step of steps) {
            if (step === 0 && running.length > 0) {
              load(running.splice((running.length * 7) % running.length, 1)[0]!, -1);
              continue;
            }
            const { chosen } = router.route(callOf('What is TypeScript?', { model: 'm0' }));
            const loads = ids.map((id, i) => inflight.get(id)! / weights[i]!);
            expect(loads[ids.indexOf(chosen)]).toBe(Math.min(...loads));
            load(chosen, 1);
            running.push(chosen);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('hold calls in flight in proportion to their weights while all are busy', () => {
    fc.assert(
      fc.property(wholeWeights, (weights) => {
        const { router, ids, inflight, load } = pool(weights);
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        for (let i = 0; i < total * 10; i++)
          load(router.route(callOf('What is TypeScript?', { model: 'm0' })).chosen, 1);
        ids.forEach((id, i) => {
          expect(Math.abs(inflight.get(id)! - weights[i]! * 10)).toBeLessThanOrEqual(1);
        });
      }),
      { numRuns: 40 },
    );
  });

  it('interleave: nobody waits through a run of another’s calls', () => {
    const { router } = pool([5, 1, 1]);
    const order = Array.from(
      { length: 7 },
      () => router.route(callOf('What is TypeScript?', { model: 'm0' })).chosen,
    );
    expect(order).toEqual(['m0', 'm0', 'm1', 'm0', 'm2', 'm0', 'm0']);
  });

  it('send a failing member less and a member without free slots nothing', () => {
    const world = pool([1, 1]);
    world.health.set('m0', { inflight: 0, successRate: 0.25 });
    const chosen = () => world.router.route(callOf('hi', { model: 'm0' })).chosen;
    const served = Array.from({ length: 100 }, chosen);
    expect(served.filter((id) => id === 'm0')).toHaveLength(20);
    world.health.set('m0', { inflight: 4, maxConcurrent: 4 });
    world.health.set('m1', { inflight: 30, maxConcurrent: 64 });
    expect(chosen()).toBe('m1');
  });

  it('take over from one another first, and leave out a member that is down', () => {
    const world = pool([3, 1]);
    const attempts = () =>
      world.router.route(callOf('hi', { model: 'm0' })).attempts.map((t) => t.model);
    expect(attempts()).toEqual(['m0', 'm0', 'm1', 'm1']);
    world.health.set('m0', { breaker: 'open' });
    expect([attempts(), attempts(), attempts()]).toEqual(Array(3).fill(['m1', 'm1', 'm0', 'm0']));
  });

  it('are equal only when caller and bill cannot tell them apart', () => {
    const twin = { provider: 's', upstream: 'same', price, grade: 'simple' as const };
    const world = routingWorld({
      providers: [{ id: 's', kind: 'sandbox' }],
      models: [
        { ...twin, id: 'a', fallbacks: ['dearer', 'b'] },
        { ...twin, id: 'b' },
        { ...twin, id: 'dearer', price: { input: 2, output: 4 } },
      ],
    });
    const chosen = Array.from(
      { length: 10 },
      () => world.router.route(callOf('hi', { model: 'a' })).chosen,
    );
    expect(new Set(chosen)).toEqual(new Set(['a', 'b']));
  });

  it('do not take a session from the model that holds its prompt cache', () => {
    const { router } = pool([1, 1]);
    const call = () => callOf('What is TypeScript?', { session: 's' });
    const first = router.route(call()).chosen;
    expect(Array.from({ length: 6 }, () => router.route(call()).chosen)).toEqual(
      Array(6).fill(first),
    );
  });
});
