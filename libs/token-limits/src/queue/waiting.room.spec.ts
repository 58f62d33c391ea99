import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '@sluice/kernel';
import { WaitingRoom } from './waiting.room.js';

const options = { maxWaiting: 10, maxWaitMs: 5000 };
const stay = new AbortController().signal;

describe('the waiting room', () => {
  it('lets higher priority go first, and older calls before younger ones', async () => {
    const room = new WaitingRoom(new ManualClock());
    const order: string[] = [];
    let open = false;
    const wait = (name: string, priority: number) =>
      room.wait(
        {
          priority,
          signal: stay,
          attempt: async () => {
            if (!open) return 'wait';
            order.push(name);
            return 'done';
          },
        },
        options,
      );
    const all = [wait('low', 0), wait('high', 2), wait('low too', 0), wait('middle', 1)];
    room.wake();
    await new Promise(setImmediate);
    open = true;
    room.wake();
    expect(await Promise.all(all)).toEqual(['done', 'done', 'done', 'done']);
    expect(order).toEqual(['high', 'middle', 'low', 'low too']);
  });

  it('starves nobody: waiting makes up for priority', async () => {
    const clock = new ManualClock();
    const room = new WaitingRoom(clock);
    const order: string[] = [];
    const wait = (name: string, priority: number) => {
      const attempt = async () => {
        order.push(name);
        return 'done' as const;
      };
      return room.wait({ priority, signal: stay, attempt }, options);
    };
    const old = wait('old and low', 0);
    clock.advance(10_000);
    const fresh = wait('new and high', 3);
    room.wake();
    await Promise.all([old, fresh]);
    expect(order).toEqual(['old and low', 'new and high']);
  });

  it('tries again by itself, since other replicas do not tell', async () => {
    const room = new WaitingRoom(new ManualClock());
    let tries = 0;
    const attempt = async () => (++tries === 2 ? ('done' as const) : ('wait' as const));
    expect(await room.wait({ priority: 0, signal: stay, attempt }, options)).toBe('done');
    expect(room.size).toBe(0);
  });

  it('turns away whom it has no place for, and who has left already', async () => {
    const room = new WaitingRoom(new ManualClock());
    const waiter = { priority: 0, signal: stay, attempt: async () => 'wait' as const };
    expect(await room.wait(waiter, { maxWaiting: 0, maxWaitMs: 10 })).toBe('full');
    expect(await room.wait(waiter, { maxWaiting: 1, maxWaitMs: 10 })).toBe('late');
    await expect(room.wait({ ...waiter, signal: AbortSignal.abort() }, options)).rejects.toThrow(
      'left',
    );
    expect(room.size).toBe(0);
  });
});
