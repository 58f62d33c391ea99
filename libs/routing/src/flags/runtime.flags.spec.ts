import { describe, expect, it } from '@jest/globals';
import { routingWorld, THREE_MODELS } from '../../testing/routing.world.js';
import { FlagStore, MemoryFlagStore, type FlagBounds, type FlagRecord } from './flag.store.js';

const OBSERVED: FlagBounds = { share: 0.5, p95Bound: 0.2, errorBound: 0.02, minCalls: 50 };
const world = (options: Parameters<typeof routingWorld>[1] = {}) =>
  routingWorld(THREE_MODELS, options);

/** Sends `count` calls through; those with the flag take `on`, the others `off` (undefined fails). */
function traffic(
  { flags, clock }: ReturnType<typeof world>,
  name: string,
  { on, off, count = 400 }: { on: (i: number) => number | undefined; off: number; count?: number },
): void {
  for (let i = 0; i < count; i++) {
    const call = { id: `c${i}` };
    flags.observe(call, flags.isOn(name, call) ? on(i) : off);
    clock.advance(10);
  }
}

describe('feature flags', () => {
  it('are on unless the environment or an administrator says otherwise', async () => {
    const { flags } = world({ env: { flags: { coalescing: false, extra: true } } });
    expect(flags.isOn('semantic_cache')).toBe(true);
    expect(flags.isOn('coalescing')).toBe(false);
    await flags.set('coalescing', true);
    expect(flags.isOn('coalescing')).toBe(true);
    const states = Object.fromEntries(flags.list().map((f) => [f.name, f.source]));
    expect(states).toMatchObject({
      coalescing: 'stored',
      extra: 'environment',
      async_routing: 'default',
    });
    expect(Object.keys(states)).toEqual(
      expect.arrayContaining([
        'connection_pooling',
        'hedging',
        'predictive_caching',
        'response_cache',
      ]),
    );
  });

  it('survive a restart and reach other replicas', async () => {
    const flagStore = new MemoryFlagStore();
    const [a, b] = [world({ flagStore }), world({ flagStore })];
    await b.flags.onApplicationBootstrap();
    await a.flags.set('semantic_cache', false);
    expect(b.flags.isOn('semantic_cache')).toBe(true);
    await b.flags.refresh();
    expect(b.flags.isOn('semantic_cache')).toBe(false);
    b.flags.onApplicationShutdown();
  });

  it('hold while the store is away, and a change that cannot be stored is refused', async () => {
    class Away extends FlagStore {
      load(): Promise<FlagRecord[]> {
        return Promise.reject(new Error('away'));
      }
      save(): Promise<void> {
        return Promise.reject(new Error('away'));
      }
    }
    const { flags, logger } = world({ flagStore: new Away() });
    await flags.refresh();
    expect(logger.lines.at(-1)?.message).toContain('last known hold');
    await expect(flags.set('coalescing', false)).rejects.toThrow('away');
    expect(flags.isOn('coalescing')).toBe(true);
  });
});

describe('a flag under observation', () => {
  it('is on for its share of calls, the same calls each time', async () => {
    const { flags } = world();
    await flags.set('coalescing', true, { observation: OBSERVED });
    const on = Array.from({ length: 2000 }, (_, i) => flags.isOn('coalescing', { id: `c${i}` }));
    expect(on.filter(Boolean).length / on.length).toBeCloseTo(0.5, 1);
    expect(flags.isOn('coalescing', { id: 'c7' })).toBe(on[7]);
  });

  it.each([
    ['slower', () => 150],
    ['failing', (i: number) => (i % 4 === 0 ? undefined : 100)],
  ])('is rolled back, with an alert, when the calls with it are %s', async (_name, on) => {
    const w = world();
    await w.flags.set('coalescing', true, { observation: OBSERVED });
    traffic(w, 'coalescing', { on, off: 100 });
    expect(w.flags.isOn('coalescing')).toBe(false);
    await w.deferred.drain(1000);
    await w.flags.refresh();
    expect(w.flags.list().find((f) => f.name === 'coalescing')).toMatchObject({
      enabled: false,
      reason: expect.stringContaining('rolled back'),
    });
    expect(w.alerts.list()).toMatchObject([
      { kind: 'flag_rolled_back', subject: 'flag:coalescing' },
    ]);
    await w.flags.set('coalescing', true);
    expect(w.alerts.list()[0]?.resolvedAt).toBeDefined();
  });

  it('stays when it does as well, and while there are too few calls to tell', async () => {
    const w = world();
    await w.flags.set('coalescing', true, { observation: OBSERVED });
    traffic(w, 'coalescing', { on: () => 900, off: 100, count: 60 });
    expect(w.flags.isOn('coalescing')).toBe(true);
    await w.flags.set('coalescing', true, { observation: { ...OBSERVED, share: 0.4 } });
    traffic(w, 'coalescing', { on: () => 101, off: 100, count: 2000 });
    expect(w.flags.isOn('coalescing')).toBe(true);
  });

  it('stays rolled back here though the store still says on, and tells the store when that is back', async () => {
    class Deaf extends MemoryFlagStore {
      deaf = false;
      override save(record: FlagRecord): Promise<void> {
        return this.deaf ? Promise.reject(new Error('away')) : super.save(record);
      }
    }
    const flagStore = new Deaf();
    const w = world({ flagStore });
    await w.flags.set('coalescing', true, { observation: OBSERVED });
    flagStore.deaf = true;
    traffic(w, 'coalescing', { on: () => 500, off: 100 });
    await w.deferred.drain(1000);
    await w.flags.refresh();
    expect(w.flags.isOn('coalescing')).toBe(false);
    expect(await flagStore.load()).toMatchObject([{ enabled: true }]);
    flagStore.deaf = false;
    await w.flags.refresh();
    expect(await flagStore.load()).toMatchObject([
      { enabled: false, reason: expect.stringContaining('rolled back') },
    ]);
  });
});
