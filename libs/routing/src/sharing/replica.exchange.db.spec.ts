import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { openTestDatabase, type Database, type OpenTestDatabase } from '@sluice/database';
import { callOf, routingWorld, THREE_MODELS } from '../../testing/routing.world.js';
import { PathMonitor } from '../performance/path.monitor.js';
import { PostgresReplicaStore } from '../persistence/postgres-replica.store.js';
import { ReplicaExchange } from './replica.exchange.js';
import { ReplicaStore, type Pulled } from './replica.store.js';

let opened: OpenTestDatabase;
let database: Database;

beforeAll(async () => {
  opened = await openTestDatabase();
  ({ database } = opened);
});
afterAll(() => opened.close());
beforeEach(async () => {
  await database.writer.query('TRUNCATE routing_windows, routing_upgrades');
});

const MINUTE = 60_000;

/** One gateway's routing room, its clock at the same time as the others'. */
function replica(store: ReplicaStore = new PostgresReplicaStore(database)) {
  const world = routingWorld(THREE_MODELS);
  world.clock.advance(1_000 * MINUTE);
  const monitor = new PathMonitor(world.config, world.clock, world.alerts);
  const { config, clock, logger, learning } = world;
  const exchange = new ReplicaExchange(config, clock, logger, learning, monitor, store);
  const fail = (times: number) => {
    for (let i = 0; i < times; i++) learning.ledger.record('small', 'simple', false);
  };
  const record = (durationMs: number, count: number, ok = true) => {
    for (let i = 0; i < count; i++)
      monitor.record({ path: 'direct', model: 'small', durationMs, ok });
  };
  return { ...world, monitor, exchange, fail, record };
}

describe('two replicas', () => {
  it('add up what they learnt of a model, and both move its work away', async () => {
    const [a, b] = [replica(), replica()];
    a.fail(3);
    await a.exchange.exchange();
    await b.exchange.exchange();
    expect(b.learning.ledger.states()).toMatchObject([{ model: 'small', calls: 3, failures: 3 }]);
    expect(b.router.route(callOf('What is TypeScript?')).chosen).toBe('small');
    b.fail(2);
    expect(b.router.route(callOf('What is TypeScript?')).chosen).toBe('medium');
    await b.exchange.exchange();
    await a.exchange.exchange();
    expect(a.router.route(callOf('What is TypeScript?')).chosen).toBe('medium');
  });

  it('send the model back at the same time, with a clean sheet', async () => {
    const [a, b] = [replica(), replica()];
    a.fail(5);
    await a.exchange.exchange();
    await b.exchange.exchange();
    for (const each of [a, b]) each.clock.advance(10 * MINUTE);
    for (const each of [a, b]) {
      expect(each.learning.ledger.isUpgraded('small', 'simple')).toBe(false);
      each.fail(2);
      await each.exchange.exchange();
    }
    // Four failures since: the five before do not count any more.
    expect(b.learning.ledger.isUpgraded('small', 'simple')).toBe(false);
    b.fail(1);
    expect(b.learning.ledger.isUpgraded('small', 'simple')).toBe(true);
  });

  it('agree on one upgrade when both saw the failures', async () => {
    const [a, b] = [replica(), replica()];
    a.fail(5);
    b.clock.advance(1_000);
    b.fail(5);
    await a.exchange.exchange();
    await b.exchange.exchange();
    await a.exchange.exchange();
    const { rows } = await database.writer.query('SELECT * FROM routing_upgrades');
    expect(rows).toHaveLength(1);
  });

  it('see one another’s latencies and failures in percentiles and verdicts', async () => {
    const [a, b] = [replica(), replica()];
    a.record(10, 50);
    b.record(1_000, 50);
    b.record(0, 10, false);
    for (const each of [a, b, a]) await each.exchange.exchange();
    expect(a.monitor.path('direct')).toEqual(b.monitor.path('direct'));
    expect(a.monitor.path('direct')).toMatchObject({ calls: 110, failures: 10, verdict: 'missed' });
    expect(a.monitor.model('small').p99).toBeGreaterThan(900);
  });

  it('tell a slot again as it grows, and count it once', async () => {
    const [a, b] = [replica(), replica()];
    for (let i = 0; i < 5; i++) {
      a.record(10, 10);
      a.learning.ledger.record('small', 'simple', true);
      await a.exchange.exchange();
      await b.exchange.exchange();
      await b.exchange.exchange();
    }
    expect(b.monitor.path('direct').calls).toBe(50);
    expect(b.learning.ledger.states()).toMatchObject([{ calls: 5 }]);
  });
});

describe('a restart', () => {
  it('begins with what was learnt before it', async () => {
    const before = replica();
    before.fail(5);
    before.record(40, 30);
    await before.exchange.onApplicationShutdown();
    const after = replica();
    await after.exchange.onApplicationBootstrap();
    expect(after.learning.ledger.isUpgraded('small', 'simple')).toBe(true);
    expect(after.monitor.path('direct')).toMatchObject({ calls: 30, verdict: 'met' });
    await after.exchange.onApplicationShutdown();
  });

  it('after an hour finds nothing, for it is forgotten', async () => {
    const before = replica();
    before.record(40, 30);
    await before.exchange.exchange();
    const after = replica();
    after.clock.advance(80 * MINUTE);
    await after.exchange.exchange();
    const { rows } = await database.writer.query('SELECT * FROM routing_windows');
    expect(rows).toHaveLength(0);
    expect(after.monitor.path('direct').calls).toBe(0);
  });
});

describe('a store that is away', () => {
  it('keeps nothing from working, and is told when it is back', async () => {
    const real = new PostgresReplicaStore(database);
    class Flaky extends ReplicaStore {
      away = true;
      #or<T>(work: () => Promise<T>): Promise<T> {
        return this.away ? Promise.reject(new Error('away')) : work();
      }
      push = (...args: Parameters<ReplicaStore['push']>) => this.#or(() => real.push(...args));
      pull = (...args: Parameters<ReplicaStore['pull']>): Promise<Pulled> =>
        this.#or(() => real.pull(...args));
      upgrade = (...args: Parameters<ReplicaStore['upgrade']>) =>
        this.#or(() => real.upgrade(...args));
      forget = (...args: Parameters<ReplicaStore['forget']>) =>
        this.#or(() => real.forget(...args));
    }
    const store = new Flaky();
    const [a, b] = [replica(store), replica()];
    a.fail(5);
    a.record(10, 7);
    await a.exchange.exchange();
    expect(a.logger.lines.at(-1)?.message).toContain('could not be exchanged');
    expect(a.learning.ledger.isUpgraded('small', 'simple')).toBe(true);
    store.away = false;
    await a.exchange.exchange();
    await b.exchange.exchange();
    expect(b.learning.ledger.isUpgraded('small', 'simple')).toBe(true);
    expect(b.monitor.path('direct').calls).toBe(7);
  });
});
