import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '@sluice/kernel';
import { TestMachine } from '../../../cluster/testing/machine.js';
import { describeBankedLedger } from '../../testing/spend-ledger.contract.js';
import { MemoryBank } from '../../testing/memory-stores.js';
import { AllowanceKeeper } from '../allowance/allowance.keeper.js';
import { spendServices } from '../host.js';
import { MachineLedger } from './machine.ledger.js';

function machine(workers = 1) {
  const clock = new ManualClock();
  const owner = new TestMachine(spendServices(clock));
  const ledgers = Array.from({ length: workers }, () => new MachineLedger(owner.worker().link));
  const [ledger] = ledgers;
  if (ledger === undefined) throw new Error('a machine has a worker');
  return { clock, ledger, ledgers };
}

const counter = 'system|tokens|2026-01-01';
const LIMIT = 1000;

describe('the ledger of a machine', () => {
  describeBankedLedger('machine', machine);

  it('lets two workers spend one limit to the last token, and no further', async () => {
    const { ledgers } = machine(2);
    const bank = new MemoryBank();
    const spend = ledgers.map(async (ledger, w) => {
      const keeper = new AllowanceKeeper(bank);
      let spent = 0;
      for (let i = 0; i < 200; i++) {
        const [id, shares] = [`${w}-${i}`, [{ counter, amount: 7, limit: LIMIT }]];
        let answer = await ledger.reserve(id, shares, 1000);
        while (answer.kind === 'short') {
          await keeper.supply(ledger, answer.missing, () => LIMIT);
          answer = await ledger.reserve(id, shares, 1000);
        }
        if (answer.kind !== 'held') break;
        await ledger.settle(id, [{ counter, amount: 7 }], []);
        spent += 7;
      }
      return spent;
    });
    const [one = 0, two = 0] = await Promise.all(spend);
    expect(one + two).toBe(994);
    expect(Math.min(one, two)).toBeGreaterThan(0);
  });

  it('counts what a dead worker held as spent when its lease ends', async () => {
    const { clock, ledgers } = machine(2);
    const [dead, living] = ledgers;
    await living?.grant([{ counter, amount: 100, allocated: 100 }]);
    await dead?.reserve('call', [{ counter, amount: 40, limit: LIMIT }], 1000);
    clock.advance(1001);
    expect(await living?.sweep()).toBe(1);
    expect(await living?.read([counter])).toEqual([{ counter, spent: 40, held: 0, slack: 60 }]);
  });

  it('can be bounded by any of its workers', async () => {
    const { ledger } = machine();
    await ledger.grant([{ counter, amount: 5, allocated: 5 }]);
    expect([await ledger.count(), await ledger.idle(10)]).toEqual([1, [counter]]);
    await ledger.trim([{ counter, amount: 0 }]);
    await ledger.forget([counter]);
    expect(await ledger.count()).toBe(0);
  });
});
