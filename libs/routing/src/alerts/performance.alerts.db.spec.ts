import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { openTestDatabase, type Database, type OpenTestDatabase } from '@sluice/database';
import type { DeferredWork } from '@sluice/observability';
import { routingWorld, THREE_MODELS } from '../../testing/routing.world.js';
import { PathMonitor } from '../performance/path.monitor.js';
import { PostgresAlertStore } from '../persistence/postgres-alert.store.js';
import { AlertSink } from '../ports/alert-sink.port.js';
import type { PerformanceAlert } from './alert.store.js';

let opened: OpenTestDatabase;
let database: Database;

beforeAll(async () => {
  opened = await openTestDatabase();
  ({ database } = opened);
});
afterAll(() => opened.close());
let deferred: DeferredWork[] = [];
beforeEach(async () => {
  // What the last test's replicas still have to do, they would do with this test's alerts.
  await Promise.all(deferred.map((work) => work.drain(10_000)));
  deferred = [];
  await database.writer.query('TRUNCATE performance_alerts');
});

/** The operator's receiver, which may be away. */
class Receiver extends AlertSink {
  wanted = true;
  away = false;
  readonly got: PerformanceAlert[] = [];
  send(alert: PerformanceAlert): Promise<void> {
    if (this.away) return Promise.reject(new Error('503'));
    this.got.push(alert);
    return Promise.resolve();
  }
}

function replicas(count: number) {
  const receiver = new Receiver();
  const worlds = Array.from({ length: count }, () =>
    routingWorld(THREE_MODELS, {
      alertStore: new PostgresAlertStore(database),
      alertSink: receiver,
    }),
  );
  deferred.push(...worlds.map((world) => world.deferred));
  return { receiver, worlds };
}

describe('an alert', () => {
  it('that several replicas notice is kept and delivered once', async () => {
    const { receiver, worlds } = replicas(3);
    for (const { alerts } of worlds) alerts.raise('latency', 'direct', 'slow');
    await Promise.all(worlds.map(({ alerts }) => alerts.refresh()));
    expect(receiver.got).toMatchObject([{ kind: 'latency', subject: 'direct', message: 'slow' }]);
    await Promise.all(worlds.map(({ alerts }) => alerts.refresh()));
    const [first] = worlds;
    for (const { alerts } of worlds) {
      expect(alerts.list()).toMatchObject([{ id: receiver.got[0]!.id }]);
    }
    expect(await first!.alerts.page({ limit: 10 })).toMatchObject([
      { deliveredAt: expect.any(Number) },
    ]);
  });

  it('may be resolved by any of them, and raised again after that', async () => {
    const { receiver, worlds } = replicas(2);
    const [a, b] = worlds as [(typeof worlds)[0], (typeof worlds)[0]];
    a.alerts.raise('latency', 'direct', 'slow');
    await a.alerts.refresh();
    await b.alerts.refresh();
    b.alerts.resolve('latency', 'direct');
    await b.alerts.refresh();
    await a.alerts.refresh();
    expect(a.alerts.list()).toMatchObject([{ resolvedAt: expect.any(Number) }]);
    a.clock.advance(1);
    a.alerts.raise('latency', 'direct', 'slow again');
    await a.alerts.refresh();
    expect(receiver.got.map((alert) => alert.message)).toEqual(['slow', 'slow again']);
  });

  it('survives a restart, which resolves it when its reason is gone', async () => {
    const { worlds } = replicas(2);
    const [before, after] = worlds as [(typeof worlds)[0], (typeof worlds)[0]];
    before.alerts.raise('latency', 'model:small', 'slow');
    before.alerts.raise('target_missed', 'direct', 'slow');
    await before.alerts.refresh();
    await after.alerts.refresh();
    expect(after.alerts.list()).toHaveLength(2);
    new PathMonitor(after.config, after.clock, after.alerts).check();
    await after.alerts.refresh();
    const open = (await after.alerts.page({ limit: 10 })).filter(
      (alert) => alert.resolvedAt === undefined,
    );
    expect(open).toEqual([]);
  });

  it('is delivered again, later, while the receiver is away, and not while nobody wants it', async () => {
    const { receiver, worlds } = replicas(1);
    const { alerts, clock } = worlds[0]!;
    receiver.wanted = false;
    alerts.raise('success', 'direct', 'failing');
    await alerts.refresh();
    receiver.wanted = true;
    receiver.away = true;
    await alerts.refresh();
    receiver.away = false;
    await alerts.refresh();
    expect(receiver.got).toEqual([]);
    clock.advance(30_000);
    await alerts.refresh();
    await alerts.refresh();
    expect(receiver.got).toHaveLength(1);
  });
});
