import { describe, expect, it } from '@jest/globals';
import { answer, ask, RESET, REWORDED, wish } from '../../testing/cache-calls.js';
import { CacheWorld } from '../../testing/cache-world.js';

const STORED = 'You can freeze the card in the app under security settings.';
/** Says the same in other words: no comparison of words can tell. */
const FRESH = 'Open the app and choose security; there the card can be blocked by you.';
/** All hits are checked, and none is kept from being asked again. */
const EACH = { threshold: 0.5, shadowRate: 1, targetWrongHits: 0.05 };
const uncached = wish({ ttlSeconds: 0 });

interface Upstream {
  readonly fresh?: () => Promise<string>;
  readonly verdict?: string;
}

/** A gateway whose judge and fresh answers are scripted; counts what was asked of them. */
async function worldOf(semantic: object, { fresh, verdict = '' }: Upstream) {
  const world = await CacheWorld.open({ cache: { semantic: { ...EACH, ...semantic } } });
  const asked = { fresh: 0, judge: [] as string[] };
  world.bindings.bind({
    fresh: {
      ask: async () => {
        asked.fresh++;
        return answer((await fresh?.()) ?? FRESH);
      },
      complete: (model, prompt) => {
        asked.judge.push(`${model}: ${prompt}`);
        return Promise.resolve(answer(verdict));
      },
    },
  });
  await world.send(ask(RESET), STORED);
  return { world, asked, hit: () => world.send(ask(REWORDED, uncached)) };
}
const wrongOf = (world: CacheWorld) =>
  world.checks.controller.save().bins.reduce((sum, bin) => sum + bin.wrong, 0);
const checkedOf = (world: CacheWorld) =>
  world.checks.controller.save().bins.reduce((sum, bin) => sum + bin.checked, 0);

describe('shadow checks', () => {
  it.each([
    ['SAME', 1, 0],
    ['The verdict is: different.', 1, 1],
    ['I cannot say.', 0, 0],
  ])('ask the judge where words cannot tell: %j', async (verdict, checked, wrong) => {
    const { world, asked, hit } = await worldOf({ judge: 'small' }, { verdict });
    expect((await hit()).fact?.verdict).toBe('semantic');
    expect(asked.judge).toHaveLength(1);
    expect(asked.judge[0]).toContain('small: ');
    expect(asked.judge[0]).toContain(STORED);
    expect(asked.judge[0]).toContain(FRESH);
    expect([checkedOf(world), wrongOf(world)]).toEqual([checked, wrong]);
  });

  it('leave it undecided where there is no judge', async () => {
    const { world, asked, hit } = await worldOf({}, {});
    await hit();
    expect([asked.fresh, asked.judge, checkedOf(world)]).toEqual([1, [], 0]);
  });

  it('give no label when the fresh answer fails', async () => {
    const failing = () => Promise.reject(new Error('upstream down'));
    const { world, asked, hit } = await worldOf({}, { fresh: failing });
    expect((await hit()).fact?.verdict).toBe('semantic');
    expect([asked.fresh, checkedOf(world)]).toEqual([1, 0]);
  });

  it('happen as often as the controller says, and never at a rate of zero', async () => {
    const { asked, hit } = await worldOf(
      { shadowRate: 0.01 },
      { fresh: () => Promise.resolve(STORED) },
    );
    for (let i = 0; i < 40; i++) await hit();
    // Half of the hits while young.
    expect(asked.fresh).toBeGreaterThan(10);
    expect(asked.fresh).toBeLessThan(30);
    const none = await worldOf({ shadowRate: 0 }, {});
    for (let i = 0; i < 10; i++) await none.hit();
    expect(none.asked.fresh).toBe(0);
  });

  it('never wait for more than eight upstreams at a time', async () => {
    const free: (() => void)[] = [];
    const slow = () => new Promise<string>((resolve) => free.push(() => resolve(STORED)));
    const { world, asked } = await worldOf({}, { fresh: slow });
    const question = ask(REWORDED, uncached);
    const found = { id: 'x', score: 0.96, verbatim: false, alone: false };
    const stored = { message: answer(STORED), costMicroUsd: 0, storedAt: 0, expiresAt: 1 };
    for (let i = 0; i < 12; i++) world.checks.served(question, { ...found, answer: stored });
    while (asked.fresh < 8) await new Promise((resolve) => setImmediate(resolve));
    expect(asked.fresh).toBe(8);
    free.forEach((release) => release());
    await world.deferred.drain(5000);
    expect(checkedOf(world)).toBe(8);
  });
});
