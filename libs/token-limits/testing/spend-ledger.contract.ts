import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ManualClock } from '@sluice/kernel';
import type {
  LimitedShare,
  ReserveAnswer,
  Share,
  SpendLedger,
} from '../src/ledger/spend.ledger.js';

export interface LedgerUnderTest {
  readonly ledger: SpendLedger;
  readonly clock: ManualClock;
}

const COUNTERS = [
  'system|micro_usd|2026-01',
  'system|tokens|2026-01-01',
  'caller:t/a|tokens|2026-01',
] as const;
export const LEASE = 1000;

export type Step =
  | {
      readonly do: 'reserve' | 'topUp';
      readonly id: number;
      readonly shares: readonly LimitedShare[];
    }
  | { readonly do: 'settle'; readonly id: number; readonly shares: readonly Share[] }
  | { readonly do: 'extend'; readonly id: number }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'sweep' };

const amount = fc.integer({ min: 0, max: 40 });
const share = fc.record({ counter: fc.constantFrom(...COUNTERS), amount });
const one = <T extends { counter: string }>(all: fc.Arbitrary<T>) =>
  fc.uniqueArray(all, { minLength: 1, maxLength: 3, selector: (s) => s.counter });
const id = fc.integer({ min: 0, max: 5 });

/** Random lives of a few reservations: more headroom is asked for than there is. */
export const traces: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    fc.record({
      do: fc.constantFrom('reserve' as const, 'reserve' as const, 'topUp' as const),
      id,
      shares: one(share).map((shares) => shares.map((s) => ({ ...s, limit: 100 }))),
    }),
    fc.record({ do: fc.constant('settle' as const), id, shares: one(share) }),
    fc.record({ do: fc.constant('extend' as const), id }),
    fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 1500 }) }),
    fc.record({ do: fc.constant('sweep' as const) }),
  ),
  { minLength: 1, maxLength: 25 },
);

/** Does one step; ids carry the trace's name, so that traces do not meet. */
export async function run(
  { ledger, clock }: LedgerUnderTest,
  name: string,
  step: Step,
): Promise<unknown> {
  switch (step.do) {
    case 'reserve':
      return ledger.reserve(`${name}-${step.id}`, scoped(name, step.shares), LEASE);
    case 'topUp':
      return ledger.topUp(`${name}-${step.id}`, scoped(name, step.shares));
    case 'settle': {
      const shares = scoped(name, step.shares);
      const standings = await ledger.settle(`${name}-${step.id}`, shares, shares);
      return [...standings].sort((a, b) => a.counter.localeCompare(b.counter));
    }
    case 'extend':
      await ledger.extend([`${name}-${step.id}`], LEASE);
      return undefined;
    case 'pass':
      clock.advance(step.ms);
      return undefined;
    case 'sweep':
      return ledger.sweep();
  }
}

export const counters = (name: string) => COUNTERS.map((c) => `${name}${c}`);
const scoped = <T extends { counter: string }>(name: string, shares: readonly T[]): T[] =>
  shares.map((s) => ({ ...s, counter: `${name}${s.counter}` }));

/** What is known of one reservation by the plain reading of the rules. */
interface ModelReservation {
  state: 'held' | 'settled' | 'expired';
  shares: Map<string, number>;
  deadline: number;
}

/** What every ledger must do, against a model that is a page of plain code. */
export function describeSpendLedger(
  name: string,
  make: () => LedgerUnderTest,
  options: { readonly runs: number },
): void {
  let next = 0;

  describe(`${name} as a ledger`, () => {
    it('holds spent + held under every limit by reservations, counts each id once, and agrees with the model', async () => {
      await fc.assert(
        fc.asyncProperty(traces, async (trace) => {
          const world = make();
          const prefix = `${name}${next++}-`;
          const model = new Map<string, ModelReservation>();
          const spent = new Map<string, number>();
          const add = (counter: string, by: number) =>
            spent.set(counter, (spent.get(counter) ?? 0) + by);
          const heldOf = (counter: string) =>
            [...model.values()]
              .filter((r) => r.state === 'held')
              .reduce<number>((sum, r) => sum + (r.shares.get(counter) ?? 0), 0);
          for (const step of trace) {
            const answer = await run(world, prefix, step);
            const now = world.clock.now();
            if (step.do === 'reserve' || step.do === 'topUp') {
              const known = model.get(`${step.id}`);
              const { kind } = answer as ReserveAnswer;
              if (step.do === 'reserve' ? known !== undefined : known?.state !== 'held') {
                expect(kind).toBe('known');
                continue;
              }
              const shares = scoped(prefix, step.shares);
              const fits = shares.every(
                (s) => (spent.get(s.counter) ?? 0) + heldOf(s.counter) + s.amount <= s.limit,
              );
              expect(kind).toBe(fits ? 'held' : 'refused');
              if (!fits) continue;
              const reservation = known ?? {
                state: 'held',
                shares: new Map<string, number>(),
                deadline: now + LEASE,
              };
              for (const s of shares) {
                reservation.shares.set(
                  s.counter,
                  (reservation.shares.get(s.counter) ?? 0) + s.amount,
                );
              }
              model.set(`${step.id}`, reservation);
            } else if (step.do === 'settle') {
              const known = model.get(`${step.id}`);
              if (known?.state === 'settled') continue;
              if (known?.state === 'expired') for (const [c, a] of known.shares) add(c, -a);
              for (const s of scoped(prefix, step.shares)) add(s.counter, s.amount);
              model.set(`${step.id}`, { state: 'settled', shares: new Map(), deadline: 0 });
            } else if (step.do === 'extend') {
              const known = model.get(`${step.id}`);
              if (known?.state === 'held') known.deadline = now + LEASE;
            } else if (step.do === 'sweep') {
              for (const r of model.values()) {
                if (r.state !== 'held' || r.deadline > now) continue;
                for (const [c, a] of r.shares) add(c, a);
                r.state = 'expired';
              }
            }
            const standings = await world.ledger.read(counters(prefix));
            expect(standings.map((s) => [s?.spent, s?.held])).toEqual(
              counters(prefix).map((c) => [spent.get(c) ?? 0, heldOf(c)]),
            );
          }
        }),
        { numRuns: options.runs },
      );
    });

    it('tells spent from held, and the headroom', async () => {
      const { ledger } = make();
      const counter = `${name}${next++}-caller:t/a|tokens|2026-01`;
      const take = (key: string, n: number) =>
        ledger.reserve(key, [{ counter, amount: n, limit: 100 }], LEASE);
      const [a, b] = [`${counter}a`, `${counter}b`];
      await take(a, 60);
      expect(await take(b, 50)).toEqual({ kind: 'refused', counter, by: 'held', headroom: 40 });
      await ledger.settle(a, [{ counter, amount: 55 }], []);
      expect(await take(b, 50)).toEqual({ kind: 'refused', counter, by: 'spent', headroom: 45 });
    });

    it('holds nothing on any counter when one of them refuses', async () => {
      const { ledger } = make();
      const prefix = `${name}${next++}-`;
      const [one = '', two = ''] = counters(prefix);
      const shares = [
        { counter: one, amount: 5, limit: 10 },
        { counter: two, amount: 11, limit: 10 },
      ];
      expect((await ledger.reserve(`${prefix}x`, shares, LEASE)).kind).toBe('refused');
      expect((await ledger.read([one, two])).map((s) => s?.held)).toEqual([0, 0]);
    });

    it('charges the lost share, not the whole, for a reservation it has forgotten', async () => {
      const { ledger } = make();
      const prefix = `${name}${next++}-`;
      const [counter = ''] = counters(prefix);
      await ledger.settle(`${prefix}gone`, [{ counter, amount: 12 }], [{ counter, amount: 2 }]);
      await ledger.settle(`${prefix}gone`, [{ counter, amount: 12 }], [{ counter, amount: 2 }]);
      expect((await ledger.read([counter]))[0]?.spent).toBe(2);
    });

    it('keeps large amounts exact', async () => {
      const { ledger } = make();
      const prefix = `${name}${next++}-`;
      const [counter = ''] = counters(prefix);
      const large = 2 ** 52;
      await ledger.reserve(
        `${prefix}l`,
        [{ counter, amount: large, limit: Number.MAX_SAFE_INTEGER }],
        LEASE,
      );
      await ledger.settle(`${prefix}l`, [{ counter, amount: large + 1 }], []);
      expect((await ledger.read([counter]))[0]).toMatchObject({ spent: large + 1, held: 0 });
    });
  });
}

/** A banked ledger: what it leases, records and gives back. */
export function describeBankedLedger(name: string, make: () => LedgerUnderTest): void {
  it(`${name} records nothing beyond its allowance, and counts what others leased as spent`, async () => {
    const { ledger } = make();
    const counter = `${name}-system|tokens|2026-01-02`;
    const reserve = (id: string, n: number) =>
      ledger.reserve(`${name}${id}`, [{ counter, amount: n, limit: 100 }], LEASE);
    expect(await ledger.read([counter])).toEqual([undefined]);
    expect(await reserve('a', 10)).toEqual({ kind: 'short', missing: [{ counter, amount: 10 }] });
    await ledger.grant([{ counter, amount: 20, allocated: 50 }]);
    expect(await ledger.read([counter])).toEqual([{ counter, spent: 30, held: 0, slack: 20 }]);
    expect(await reserve('a', 10)).toMatchObject({
      kind: 'held',
      standings: [{ spent: 30, held: 10, slack: 10 }],
    });
    expect(await reserve('b', 15)).toEqual({ kind: 'short', missing: [{ counter, amount: 5 }] });
    expect(await reserve('b', 61)).toMatchObject({ kind: 'refused', by: 'held', headroom: 60 });
    expect(await reserve('b', 71)).toMatchObject({ kind: 'refused', by: 'spent' });
    expect(await ledger.trim([{ counter, amount: 4 }])).toEqual([{ counter, amount: 6 }]);
    expect(await ledger.trim([{ counter, amount: 4 }])).toEqual([]);
    const after = await ledger.settle(`${name}a`, [{ counter, amount: 25 }], []);
    expect(after).toEqual([{ counter, spent: 55, held: 0, slack: -11 }]);
  });
}
