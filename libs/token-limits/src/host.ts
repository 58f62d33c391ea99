import type { HostedService } from '@sluice/cluster';
import type { Clock } from '@sluice/kernel';
import { MemoryLedger } from './ledger/memory.ledger.js';
import { LEDGER_SERVICE } from './ledger/machine.ledger.js';

/**
 * What the owner of a machine runs for this room: the ledger of all its workers. It leases nothing itself; its
 * workers do that on its behalf, so that it needs no database.
 */
export function spendServices(clock: Clock): Readonly<Record<string, HostedService>> {
  const ledger = new MemoryLedger(clock, true);
  const service = {
    reserve: ledger.reserve.bind(ledger),
    topUp: ledger.topUp.bind(ledger),
    settle: ledger.settle.bind(ledger),
    extend: ledger.extend.bind(ledger),
    sweep: ledger.sweep.bind(ledger),
    read: ledger.read.bind(ledger),
    grant: ledger.grant.bind(ledger),
    trim: ledger.trim.bind(ledger),
    count: ledger.count.bind(ledger),
    idle: ledger.idle.bind(ledger),
    forget: ledger.forget.bind(ledger),
  };
  return { [LEDGER_SERVICE]: service };
}
