import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '@sluice/kernel';
import { TestMachine } from '../../../cluster/testing/machine.js';
import { rateServices } from '../host.js';
import { MINUTE_MS, type RateWindow } from '../rate-window.js';
import { MachineRateStore } from './machine-rate.store.js';

const WINDOWS: readonly RateWindow[] = [{ name: 'minute', limit: 10, windowMs: MINUTE_MS }];

describe('the count of a machine', () => {
  it('lets exactly the limit through, whichever workers are asked at the same time', async () => {
    const clock = new ManualClock();
    const machine = new TestMachine(rateServices(clock));
    const stores = [1, 2, 3].map(() => new MachineRateStore(machine.worker().link));
    const ask = () =>
      Promise.all(stores.flatMap((s) => [1, 2, 3, 4, 5].map(() => s.decide('t/caller', WINDOWS))));
    expect((await ask()).filter((verdict) => verdict.allowed)).toHaveLength(10);
    expect((await ask()).filter((verdict) => verdict.allowed)).toHaveLength(0);
    clock.advance(MINUTE_MS + 1);
    expect((await ask()).filter((verdict) => verdict.allowed)).toHaveLength(10);
  });

  it('goes on counting where a worker that died left off', async () => {
    const machine = new TestMachine(rateServices(new ManualClock()));
    const first = machine.worker();
    for (let i = 0; i < 9; i++) await new MachineRateStore(first.link).decide('t/c', WINDOWS);
    first.die();
    const next = new MachineRateStore(machine.worker().link);
    expect(await next.decide('t/c', WINDOWS)).toMatchObject({ allowed: true });
    expect(await next.decide('t/c', WINDOWS)).toMatchObject({
      allowed: false,
      states: [{ remaining: 0, window: WINDOWS[0] }],
    });
  });
});
