import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { openTestDatabase, type Database, type OpenTestDatabase } from '@sluice/database';
import { SilentLogger } from '@sluice/observability';
import { LiveRedisConnection, startTestRedis, type TestRedis } from '@sluice/redis';
import { RedisLedger } from '../ledger/redis.ledger.js';
import type { Grant, Share, Transfer } from '../ledger/spend.ledger.js';
import { SqlAllowanceBank } from '../persistence/sql-allowance.bank.js';
import type { LeaseRequest } from './allowance.bank.js';
import { AllowanceKeeper } from './allowance.keeper.js';

let opened: OpenTestDatabase;
let server: TestRedis;
let database: Database;
let redis: LiveRedisConnection;

beforeAll(async () => {
  [opened, server] = await Promise.all([openTestDatabase(), startTestRedis()]);
  ({ database } = opened);
  redis = new LiveRedisConnection({ url: server.url, commandTimeoutMs: 2000 }, new SilentLogger());
  await redis.ready(3000);
});
beforeEach(async () => {
  await redis.command(['FLUSHALL']);
  await database.writer.query('TRUNCATE spend_allowances, spend_transfers');
});
afterAll(async () => {
  await redis.close();
  await opened.close();
  await server.stop();
});

const COUNTER = 'system|tokens|2026-05';
const LIMIT = 10_000;
const limitOf = () => LIMIT;

/** How a step across the wire goes: well, lost on its way there, or done with its answer lost on its way back. */
type Fate = 'ok' | 'lost' | 'unanswered';
class Wire {
  readonly fates: Fate[] = [];
  async pass<T>(step: () => Promise<T>): Promise<T> {
    const fate = this.fates.shift() ?? 'ok';
    if (fate === 'lost') throw new Error('lost');
    const answer = await step();
    if (fate === 'unanswered') throw new Error('no answer');
    return answer;
  }
}
class WiredBank extends SqlAllowanceBank {
  constructor(readonly wire: Wire) {
    super(database);
  }
  override lease(requests: readonly LeaseRequest[], transfer?: Transfer) {
    return this.wire.pass(() => super.lease(requests, transfer));
  }
}
class WiredLedger extends RedisLedger {
  constructor(readonly wire: Wire) {
    super(redis, { banked: true });
  }
  override grant(grants: readonly Grant[], transfer?: Transfer): Promise<void> {
    if (transfer === undefined) return super.grant(grants);
    return this.wire.pass(() => super.grant(grants, transfer));
  }
  override trim(keep: readonly Share[], transfer?: Transfer): Promise<readonly Share[]> {
    return this.wire.pass(() => super.trim(keep, transfer));
  }
}

/** A gateway's keeper whose wires fail as they are told. */
function gateway() {
  const [bankWire, ledgerWire] = [new Wire(), new Wire()];
  const keeper = new AllowanceKeeper(new WiredBank(bankWire));
  const ledger = new WiredLedger(ledgerWire);
  return {
    bankWire,
    ledgerWire,
    lease: (amount: number) => keeper.supply(ledger, [{ counter: COUNTER, amount }], limitOf),
    giveBack: () => keeper.release(ledger, [COUNTER]),
  };
}

/** What another gateway does a while after the others died. */
async function finishOthers(): Promise<void> {
  await database.writer.query("UPDATE spend_transfers SET at = at - interval '1 minute'");
  const keeper = new AllowanceKeeper(new SqlAllowanceBank(database));
  await keeper.finishOthers(new RedisLedger(redis, { banked: true }), Date.now() + 60_000);
}

async function books(): Promise<{ bank: number; redis: number }> {
  const { rows } = await database.writer.query<{ allocated: string }>(
    'SELECT allocated FROM spend_allowances WHERE counter = $1',
    [COUNTER],
  );
  const ledger = new RedisLedger(redis, { banked: true });
  const [standing] = await ledger.read([COUNTER]);
  return { bank: Number(rows[0]?.allocated ?? 0), redis: standing?.slack ?? 0 };
}

describe('an allowance on its way between the bank and Redis', () => {
  it('arrives when the process that leased it died before Redis heard of it', async () => {
    const dying = gateway();
    dying.ledgerWire.fates.push('lost');
    await expect(dying.lease(100)).rejects.toThrow('lost');
    expect(await books()).toEqual({ bank: 150, redis: 0 });
    await finishOthers();
    expect(await books()).toEqual({ bank: 150, redis: 150 });
    await finishOthers();
    expect(await books()).toEqual({ bank: 150, redis: 150 });
  });

  it('comes back to the bank when the process that took it out of Redis died', async () => {
    const dying = gateway();
    await dying.lease(100);
    dying.bankWire.fates.push('lost');
    await expect(dying.giveBack()).rejects.toThrow('lost');
    expect(await books()).toEqual({ bank: 150, redis: 0 });
    await finishOthers();
    expect(await books()).toEqual({ bank: 0, redis: 0 });
  });

  it('is finished by its own process first, when that lives on', async () => {
    const living = gateway();
    living.bankWire.fates.push('unanswered');
    await expect(living.lease(100)).rejects.toThrow('no answer');
    await living.lease(10);
    expect(await books()).toEqual({ bank: 210, redis: 210 });
  });

  it('is not granted to a Redis that has lost its memory since', async () => {
    const dying = gateway();
    dying.ledgerWire.fates.push('unanswered');
    await expect(dying.lease(100)).rejects.toThrow('no answer');
    await redis.command(['FLUSHALL']);
    await finishOthers();
    expect(await books()).toEqual({ bank: 150, redis: 0 });
    // What the earlier life had leased counts as spent in the next.
    await gateway().lease(20);
    const ledger = new RedisLedger(redis, { banked: true });
    expect(await ledger.read([COUNTER])).toMatchObject([{ spent: 150, slack: 70 }]);
  });

  it('of an earlier life of Redis counts as spent for the process that leased it too', async () => {
    const living = gateway();
    await living.lease(100);
    await redis.command(['FLUSHALL']);
    await living.lease(10);
    const ledger = new RedisLedger(redis, { banked: true });
    expect(await ledger.read([COUNTER])).toMatchObject([{ spent: 150, slack: 60 }]);
  });

  it('is neither lost nor doubled, whatever fails and whoever dies', async () => {
    const fate = fc.constantFrom<Fate>('ok', 'ok', 'lost', 'unanswered');
    const step = fc.record({
      who: fc.integer({ min: 0, max: 2 }),
      amount: fc.option(fc.integer({ min: 1, max: 400 })),
      bank: fate,
      ledger: fate,
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        await redis.command(['FLUSHALL']);
        await database.writer.query('TRUNCATE spend_allowances, spend_transfers');
        const gateways = [gateway(), gateway(), gateway()];
        for (const { who, amount, bank, ledger } of steps) {
          const one = gateways[who];
          if (one === undefined) continue;
          one.bankWire.fates.splice(0, Infinity, bank);
          one.ledgerWire.fates.splice(0, Infinity, ledger);
          await (amount === null ? one.giveBack() : one.lease(amount)).catch(() => undefined);
        }
        await finishOthers();
        const { bank, redis: inRedis } = await books();
        expect(inRedis).toBe(bank);
      }),
      { numRuns: 60 },
    );
  });
});
