import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ManualClock } from '@sluice/kernel';
import { ConcurrencySlots } from './concurrency.slots.js';

const BACKOFF = { min: 1000, max: 30_000 };

function setup(limit = 1, maxWaiting = 3, maxWaitMs = 10_000) {
  const clock = new ManualClock();
  const slots = new ConcurrencySlots('p', clock);
  const backoff = BACKOFF;
  const admitted: string[] = [];
  const take = (name: string, priority = 0, signal = new AbortController().signal): Promise<void> =>
    slots
      .take({ priority, signal, limit, maxWaiting, maxWaitMs, backoff })
      .then(() => void admitted.push(name));
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return { clock, slots, admitted, take, settle };
}

describe('ConcurrencySlots', () => {
  it('admits up to the limit and the next when a slot comes back', async () => {
    const { slots, admitted, take, settle } = setup(2);
    for (const name of ['a', 'b', 'c']) void take(name);
    await settle();
    expect(admitted).toEqual(['a', 'b']);
    expect(slots).toMatchObject({ running: 2, waiting: 1 });
    slots.release();
    await settle();
    expect(admitted).toEqual(['a', 'b', 'c']);
  });
  it('goes by priority, then by arrival', async () => {
    const { slots, admitted, take, settle } = setup();
    await take('running');
    void take('low', 0);
    void take('high', 3);
    void take('high too', 3);
    for (let i = 0; i < 3; i++) slots.release();
    await settle();
    expect(admitted.slice(1)).toEqual(['high', 'high too', 'low']);
  });
  it('lets waiting make up for priority', async () => {
    const { clock, slots, admitted, take, settle } = setup();
    await take('running');
    void take('low and early', 0);
    clock.advance(5_001);
    void take('higher and late', 1);
    slots.release();
    await settle();
    expect(admitted[1]).toBe('low and early');
    slots.release();
    await settle();
    expect(admitted[2]).toBe('higher and late');
  });
  it('refuses the lowest when too many wait, be it the newcomer or one who waits', async () => {
    const { take, slots, settle } = setup(1, 1);
    await take('running');
    const low = take('low', 0);
    const high = take('high', 2);
    await expect(low).rejects.toMatchObject({ code: 'overloaded' });
    await expect(take('lower', 0)).rejects.toMatchObject({ code: 'overloaded' });
    slots.release();
    await high;
    await settle();
    expect(slots).toMatchObject({ running: 1, waiting: 0 });
  });
  it('tells refused calls to come back later and later while it stays full, each at another moment', async () => {
    const { clock, slots } = setup();
    const full = { priority: 0, signal: new AbortController().signal, limit: 0, maxWaiting: 0 };
    const hint = async (): Promise<number> => {
      const refused: unknown = await slots
        .take({ ...full, maxWaitMs: 10_000, backoff: BACKOFF })
        .catch((error: unknown) => error);
      return (refused as { retryAfterMs: number }).retryAfterMs;
    };
    const together = await Promise.all(Array.from({ length: 50 }, hint));
    for (const ms of together) expect([ms >= 1000, ms <= 1250]).toEqual([true, true]);
    expect(new Set(together).size).toBeGreaterThan(10);
    let last = 0;
    for (let i = 0; i < 8; i++) {
      last = await hint();
      clock.advance(last);
    }
    expect(last).toBeGreaterThan(20_000);
    expect(last).toBeLessThanOrEqual(30_000);
  });
  it('refuses after the longest wait, and frees the place of one who leaves', async () => {
    const { take, slots } = setup(1, 5, 20);
    await take('running');
    await expect(take('waits')).rejects.toMatchObject({ code: 'overloaded' });
    const leaving = new AbortController();
    const gone = take('leaves', 0, leaving.signal);
    leaving.abort(new Error('left'));
    await expect(gone).rejects.toThrow('left');
    await expect(take('is gone', 0, AbortSignal.abort('why'))).rejects.toThrow('why');
    expect(slots.waiting).toBe(0);
  });
  it('never runs more than the limit and ends with nothing held, whatever happens in whatever order', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ priority: fc.nat(3), leave: fc.boolean(), release: fc.boolean() }), {
          maxLength: 40,
        }),
        async (steps) => {
          const { slots, settle } = setup();
          let running = 0;
          const done: Promise<void>[] = [];
          const leavers: AbortController[] = [];
          for (const step of steps) {
            const leaving = new AbortController();
            if (step.leave) leavers.push(leaving);
            const taken = slots.take({
              priority: step.priority,
              signal: leaving.signal,
              limit: 2,
              maxWaiting: 5,
              maxWaitMs: 5_000,
              backoff: BACKOFF,
            });
            done.push(
              taken.then(
                () => {
                  running++;
                },
                () => undefined,
              ),
            );
            await settle();
            expect(running).toBeLessThanOrEqual(2);
            if (step.release && running > 0) {
              running--;
              slots.release();
            }
          }
          for (const leaver of leavers) leaver.abort();
          await settle();
          while (slots.running > 0) {
            slots.release();
            await settle();
          }
          await Promise.all(done);
          expect(slots).toMatchObject({ running: 0, waiting: 0 });
        },
      ),
      { numRuns: 40 },
    );
  });
});
