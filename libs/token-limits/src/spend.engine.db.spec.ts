import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo } from 'node:net';
import { createHmac } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openTestDatabase, type Database, type OpenTestDatabase } from '@sluice/database';
import { ManualClock, uuidv7 } from '@sluice/kernel';
import { SilentLogger } from '@sluice/observability';
import { LiveRedisConnection, startTestRedis, type TestRedis } from '@sluice/redis';
import { spendWorld } from '../testing/spend-world.js';
import { AlertWebhook } from './alerts/alert.webhook.js';
import type { LeaseRequest } from './allowance/allowance.bank.js';
import { DepartureLog } from './departures/departure.log.js';
import type { LimitedShare } from './ledger/spend.ledger.js';
import { SqlAllowanceBank } from './persistence/sql-allowance.bank.js';
import { SqlBudgetAlertRepository } from './persistence/sql-budget-alert.repository.js';
import { SqlSpendControlRepository } from './persistence/sql-spend-control.repository.js';

let opened: OpenTestDatabase;
let server: TestRedis;
let database: Database;
const open: { close(): Promise<void> }[] = [];

beforeAll(async () => {
  [opened, server] = await Promise.all([openTestDatabase(), startTestRedis()]);
  ({ database } = opened);
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((c) => c.close()));
});
afterAll(async () => {
  await opened.close();
  await server.stop();
});

async function redis(): Promise<LiveRedisConnection> {
  const connection = new LiveRedisConnection(
    { url: server.url, commandTimeoutMs: 500 },
    new SilentLogger(),
  );
  await connection.ready(3000);
  open.push(connection);
  return connection;
}
/** A replica: its own memory, the same database, and Redis when it is given. */
const replica = (connection?: LiveRedisConnection, departures?: DepartureLog) =>
  spendWorld({
    policies: { tiers: { free: {} } },
    bank: new SqlAllowanceBank(database),
    ...(connection === undefined ? {} : { redis: connection }),
    ...(departures === undefined ? {} : { departures }),
  });
const LEASES = 'sluice:{spend}:leases';
let day = 1;
const counterOf = () => `system|tokens|2026-02-${String(day++).padStart(2, '0')}`;
const share = (counter: string, amount: number, limit: number): LimitedShare[] => [
  { counter, amount, limit },
];
const allocated = async (counter: string) => {
  const { rows } = await database.requests.query<{ allocated: string }>(
    'SELECT allocated FROM spend_allowances WHERE counter = $1',
    [counter],
  );
  return Number(rows[0]?.allocated ?? 0);
};
const standing = async (w: ReturnType<typeof replica>, counter: string) =>
  (await w.engine.standings([{ counter, limit: 0 }]))[0];

describe('the bank', () => {
  it('makes the rows of counters anew when the database has lost them before anything was leased', async () => {
    let down = true;
    const writer = {
      query: async (text: string, values: readonly unknown[]) => {
        // It ends behind the first statement, whose commit was not on the disk yet.
        if (down && text.includes('UPDATE spend_allowances')) {
          await database.writer.query('DELETE FROM spend_allowances WHERE counter = $1', [counter]);
          throw new Error('the database is away');
        }
        return database.writer.query(text, values);
      },
    };
    const bank = new SqlAllowanceBank({ writer } as unknown as Database);
    const counter = counterOf();
    const request: LeaseRequest = { counter, amount: 5, limit: 100, forced: false };
    await expect(bank.lease([request])).rejects.toThrow('away');
    down = false;
    expect(await bank.lease([request])).toEqual([{ counter, amount: 5, allocated: 5 }]);
  });
});

describe('limits in process', () => {
  it('lose nothing when the process is killed: what was leased counts as spent', async () => {
    const counter = counterOf();
    let recorded = 0;
    for (let life = 0; life < 5; life++) {
      const w = replica();
      for (let i = 0; i < 10; i++) {
        const answer = await w.engine.reserve(uuidv7(), share(counter, 7, 100_000));
        if (answer.kind !== 'held') throw new Error('refused');
        // Half of the calls end before the kill, the others die in flight.
        if (i % 2 === 0) await w.engine.settle(answer.reserved, share(counter, 5, 0));
        recorded += i % 2 === 0 ? 5 : 7;
      }
      const after = await standing(replica(), counter);
      expect(after?.spent).toBeGreaterThanOrEqual(recorded);
    }
    // What was leased ahead and not given back: at most 1 % of the limit a kill.
    expect(await allocated(counter)).toBeLessThan(recorded + 5 * 1000);
  });

  it('start where they stopped after an orderly end, to the token', async () => {
    const counter = counterOf();
    const w = replica();
    await w.engine.start();
    const answer = await w.engine.reserve('a', share(counter, 50, 1000));
    if (answer.kind === 'held') await w.engine.settle(answer.reserved, share(counter, 33, 1000));
    await w.engine.stop();
    expect(await allocated(counter)).toBe(33);
    expect(await standing(replica(), counter)).toMatchObject({ spent: 33, held: 0 });
  });

  it('record what cost more than was estimated, also beyond the limit', async () => {
    const counter = counterOf();
    const w = replica();
    const answer = await w.engine.reserve('b', share(counter, 90, 100));
    if (answer.kind === 'held') await w.engine.settle(answer.reserved, share(counter, 130, 100));
    await w.engine.stop();
    expect(await allocated(counter)).toBe(130);
    expect(await w.engine.reserve('c', share(counter, 1, 100))).toMatchObject({
      kind: 'refused',
      by: 'spent',
    });
  });

  it('hold over several replicas without Redis: 300 calls at once on a limit of 100', async () => {
    const counter = counterOf();
    const worlds = [replica(), replica(), replica()];
    const answers = await Promise.all(
      Array.from({ length: 300 }, async (_, i) =>
        worlds[i % 3]!.engine.reserve(`r${i}`, share(counter, 1, 100)),
      ),
    );
    const held = answers.filter((answer) => answer.kind === 'held').length;
    expect(held).toBeLessThanOrEqual(100);
    expect(held).toBeGreaterThan(90);
    expect(await allocated(counter)).toBeLessThanOrEqual(100);
  });
});

describe('many counters', () => {
  it('do not stay in memory, and lose nothing by that', async () => {
    const w = replica();
    for (let i = 0; i < 300; i++) {
      const counter = `caller:t/ip${i}|tokens|2026-02`;
      const answer = await w.engine.reserve(`many${i}`, share(counter, 9, 1000));
      if (answer.kind === 'held') await w.engine.settle(answer.reserved, share(counter, 4, 1000));
    }
    await w.engine.bound(100);
    expect(await allocated('caller:t/ip0|tokens|2026-02')).toBe(4);
    expect(await standing(w, 'caller:t/ip0|tokens|2026-02')).toMatchObject({ spent: 4, held: 0 });
    await w.engine.bound(1000);
  });

  it('of periods that ended long ago leave the bank', async () => {
    const w = replica();
    await w.engine.reserve('old', share('system|tokens|2025-09-01', 5, 100));
    await w.engine.forget();
    expect(await allocated('system|tokens|2025-09-01')).toBe(0);
    expect(await allocated('caller:t/ip0|tokens|2026-02')).toBe(4);
  });
});

describe('limits in Redis', () => {
  it('let exactly the limit through, over three replicas at once', async () => {
    const counter = counterOf();
    const worlds = [replica(await redis()), replica(await redis()), replica(await redis())];
    const answers = await Promise.all(
      Array.from({ length: 600 }, async (_, i) =>
        worlds[i % 3]!.engine.reserve(`x${i}`, share(counter, 1, 100)),
      ),
    );
    expect(answers.filter((answer) => answer.kind === 'held')).toHaveLength(100);
  });

  it('show and enforce the same numbers in every replica', async () => {
    const counter = counterOf();
    const [a, b] = [replica(await redis()), replica(await redis())];
    const answer = await a.engine.reserve('s', share(counter, 40, 100));
    expect(await standing(b, counter)).toMatchObject({ spent: 0, held: 40 });
    if (answer.kind === 'held') await a.engine.settle(answer.reserved, share(counter, 25, 100));
    expect(await standing(b, counter)).toMatchObject({ spent: 25, held: 0 });
  });

  it('go on in process while Redis is frozen, never over the limit, and settle when it answers again', async () => {
    const counter = counterOf();
    const connection = await redis();
    const w = replica(connection);
    await w.engine.start();
    const before = await w.engine.reserve('f1', share(counter, 30, 100));
    server.freeze();
    let passed = 0;
    for (let i = 0; i < 200; i++) {
      const answer = await w.engine.reserve(`f2-${i}`, share(counter, 1, 100));
      if (answer.kind === 'held') passed++;
    }
    expect(passed).toBeGreaterThan(0);
    expect(passed + 30).toBeLessThanOrEqual(100);
    if (before.kind === 'held') await w.engine.settle(before.reserved, share(counter, 10, 100));
    expect(w.engine.unsettled).toBeGreaterThan(0);
    const back = new Promise<void>((resolve) => connection.onRecovery(resolve));
    server.thaw();
    await back;
    await w.engine.flush();
    expect(w.engine.unsettled).toBe(0);
    expect((await standing(w, counter))?.held).toBe(0);
    expect(await allocated(counter)).toBeLessThanOrEqual(100);
    await w.engine.stop();
  });

  it('lose nothing when Redis loses its memory', async () => {
    const counter = counterOf();
    const connection = await redis();
    const w = replica(connection);
    const [one, two] = [
      await w.engine.reserve('l1', share(counter, 400, 1000)),
      await w.engine.reserve('l2', share(counter, 300, 1000)),
    ];
    if (one.kind === 'held') await w.engine.settle(one.reserved, share(counter, 350, 1000));
    await server.kill();
    const back = new Promise<void>((resolve) => connection.onRecovery(resolve));
    await expect(connection.command(['PING'])).rejects.toThrow();
    await server.restart();
    await back;
    const after = await standing(w, counter);
    expect(after?.spent).toBeGreaterThanOrEqual(650);
    // The call that was in flight costs less than was held for it, which is counted already.
    if (two.kind === 'held') await w.engine.settle(two.reserved, share(counter, 200, 1000));
    expect((await standing(w, counter))?.spent).toBe(after?.spent);
    expect((await w.engine.reserve('l3', share(counter, 500, 1000))).kind).toBe('refused');
  });

  it('outlive a settlement that Redis cannot make: nobody awaits it', async () => {
    const counter = counterOf();
    const connection = await redis();
    const w = replica(connection);
    const held = await w.engine.reserve(uuidv7(), share(counter, 10, 1000));
    if (held.kind !== 'held') throw new Error('refused');
    const period = `sluice:{spend}:${counter.split('|')[2]}`;
    await connection.command(['DEL', period]);
    await connection.command(['SET', period, 'somebody else’s']);
    await expect(w.engine.settle(held.reserved, share(counter, 5, 1000))).resolves.toBeUndefined();
    expect(w.engine.unsettled).toBe(0);
    await connection.command(['DEL', period]);
  });

  it('tell of a threshold that was crossed, also when the process that crossed it has died', async () => {
    const counter = counterOf();
    const [dead, other] = [replica(await redis()), replica(await redis())];
    const told: string[] = [];
    for (const w of [dead, other]) {
      w.engine.watchCrossings({
        thresholds: () => [0.5],
        tell: async (crossings) => {
          if (w === dead) throw new Error('killed');
          told.push(...crossings.map((crossing) => `${crossing.counter} ${crossing.threshold}`));
        },
      });
    }
    const answer = await dead.engine.reserve(uuidv7(), share(counter, 60, 100));
    if (answer.kind === 'held') await dead.engine.settle(answer.reserved, share(counter, 60, 100));
    await expect(dead.engine.sweep()).rejects.toThrow('killed');
    await other.engine.sweep();
    await other.engine.sweep();
    expect(told).toEqual([`${counter} 0.5`]);
  });

  it('hold a call out when others take each lease before it', async () => {
    class Greedy extends SqlAllowanceBank {
      override async lease(requests: readonly LeaseRequest[]) {
        // Granted, and gone before the ledger hears of it.
        return requests.map(({ counter }) => ({ counter, amount: 0, allocated: 0 }));
      }
    }
    const w = spendWorld({ policies: { tiers: { free: {} } }, bank: new Greedy(database) });
    const counter = counterOf();
    expect(await w.engine.reserve('late', share(counter, 10, 100))).toEqual({
      ...{ kind: 'refused', by: 'held', headroom: 0, counter },
    });
  });

  it('are renewed while a call lives and swept when its process died', async () => {
    const counter = counterOf();
    const connection = await redis();
    const [alive, other] = [replica(connection), replica(connection)];
    await alive.engine.reserve('lease', share(counter, 10, 100));
    await connection.command([
      'ZADD',
      'sluice:{spend}:leases',
      'XX',
      '1',
      'sluice:{spend}:r:lease',
    ]);
    await other.engine.sweep();
    expect(await standing(other, counter)).toMatchObject({ spent: 10, held: 0 });
  });
});

describe('a process that is killed', () => {
  const killed = async (root: string) => {
    const [name = ''] = (await readdir(root)).filter((file) => !file.endsWith('.sock'));
    // As if its process had been another one, with the same number, before this one.
    await rename(join(root, name), join(root, name.replace(/^(\d+)-\d+-/, '$1-1-')));
  };

  it('leaves reservations of which those that never left it are given back by its successor, even after their leases', async () => {
    const root = await mkdtemp(join(tmpdir(), 'sluice-departures-'));
    const counter = counterOf();
    const connection = await redis();
    const life = async () => {
      const w = replica(connection, new DepartureLog(root));
      await w.engine.start();
      return w;
    };
    const first = await life();
    const taken = [];
    for (const id of ['sent', 'waiting', 'expired', 'ended']) {
      const answer = await first.engine.reserve(`${counter} ${id}`, share(counter, 10, 100));
      if (answer.kind !== 'held') throw new Error('refused');
      taken.push(answer.reserved);
    }
    const [sent, , expired, ended] = taken;
    for (const reserved of [sent!, ended!]) first.engine.sending(reserved);
    await first.engine.settle(ended!, share(counter, 4, 100));
    await connection.command(['ZADD', LEASES, 'XX', '1', `sluice:{spend}:r:${expired!.id}`]);
    await first.engine.sweep();
    expect(await standing(first, counter)).toMatchObject({ spent: 14, held: 20 });
    await killed(root);
    const second = await life();
    expect(await standing(second, counter)).toMatchObject({ spent: 4, held: 10 });
    // What has been sent may have been billed: its lease decides.
    await connection.command(['ZADD', LEASES, 'XX', '1', `sluice:{spend}:r:${sent!.id}`]);
    await second.engine.sweep();
    expect(await standing(second, counter)).toMatchObject({ spent: 14, held: 0 });
    await second.engine.stop();
    const left = (await readdir(root)).filter((file) => file.endsWith('.departures'));
    expect(left).toEqual([]);
    await first.engine.stop();
    await rm(root, { recursive: true });
  });

  it('cannot have sent what it could not write down', async () => {
    const root = await mkdtemp(join(tmpdir(), 'sluice-departures-'));
    const departures = new DepartureLog(root);
    const w = replica(await redis(), departures);
    await w.engine.start();
    const answer = await w.engine.reserve(uuidv7(), share(counterOf(), 10, 100));
    if (answer.kind !== 'held') throw new Error('refused');
    await departures.close();
    expect(() => w.engine.sending(answer.reserved)).toThrow(
      expect.objectContaining({ code: 'overloaded' }),
    );
    await w.engine.stop();
    await rm(root, { recursive: true });
  });
});

describe('alerts in Postgres', () => {
  const alerts = () => new SqlBudgetAlertRepository(database);
  const alert = (counter: string, at: number) => ({
    ...{ id: uuidv7(at), counter, threshold: 0.5, scope: 'system', unit: 'tokens' as const },
    ...{ period: '2026-02', limit: 100, spent: 51, at: new Date(at) },
  });

  it('are stored once, listed newest first, and claimed for delivery with growing pauses', async () => {
    const start = Date.UTC(2026, 1, 1);
    const [a, b] = [alert('one', start), alert('two', start + 1)];
    expect(await alerts().insert(a)).toBe(true);
    expect(await alerts().insert({ ...a, id: uuidv7() })).toBe(false);
    expect(await alerts().insert(b)).toBe(true);
    const listed = await alerts().list({ limit: 10 });
    expect(listed.map((x) => x.counter)).toEqual(['two', 'one']);
    expect(await alerts().list({ limit: 10, before: b.id })).toHaveLength(1);
    const claim = async (ms: number) =>
      (await alerts().claimUndelivered(new Date(start + ms), 1000)).map((x) => x.counter).sort();
    expect(await claim(10)).toEqual(['one', 'two']);
    expect(await claim(20)).toEqual([]);
    await alerts().delivered(b.id, new Date(start + 30));
    expect(await claim(1500)).toEqual(['one']);
    expect(await claim(1600)).toEqual([]);
    expect((await alerts().list({ limit: 1 }))[0]?.deliveredAt).toEqual(new Date(start + 30));
  });

  it('are posted by Standard Webhooks, signed, without following redirects', async () => {
    const received: { request: IncomingMessage; body: string }[] = [];
    const receiver = createServer((request, response) => {
      let body = '';
      request.on('data', (piece) => (body += String(piece)));
      request.on('end', () => {
        received.push({ request, body });
        response.writeHead(request.url === '/moved' ? 302 : 204, { location: '/' }).end();
      });
    }).listen(0, '127.0.0.1');
    await once(receiver, 'listening');
    const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
    const webhook = new AlertWebhook(new ManualClock(Date.UTC(2026, 1, 1)));
    const sent = alert('hook', Date.UTC(2026, 1, 1));
    const secret = `whsec_${Buffer.from('key').toString('base64')}`;
    await webhook.send({ url, secret }, sent);
    await webhook.send({ url, secret: 'plain' }, sent);
    await webhook.send({ url }, sent);
    await expect(webhook.send({ url: `${url}/moved` }, sent)).rejects.toThrow('302');
    expect(received).toHaveLength(4);
    const { headers } = received[0]!.request;
    const expected = (key: string) =>
      createHmac('sha256', key)
        .update(`${sent.id}.${headers['webhook-timestamp'] as string}.${received[0]!.body}`)
        .digest('base64');
    expect(headers['webhook-signature']).toBe(`v1,${expected('key')}`);
    expect(received[1]!.request.headers['webhook-signature']).toBe(`v1,${expected('plain')}`);
    expect(received[2]!.request.headers['webhook-signature']).toBeUndefined();
    expect(JSON.parse(received[0]!.body)).toMatchObject({
      type: 'budget.alert',
      data: { threshold: 0.5, spent: 51 },
    });
    receiver.close();
  });
});

it('the emergency switch is kept in one row', async () => {
  const control = new SqlSpendControlRepository(database);
  expect(await control.load()).toEqual({ shutDown: false, waived: [] });
  await control.save({ shutDown: true, waived: ['system|tokens|2026-02'] }, new Date());
  await control.save({ shutDown: false, waived: ['b'] }, new Date());
  expect(await control.load()).toEqual({ shutDown: false, waived: ['b'] });
});
