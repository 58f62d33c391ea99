import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { configFromObjects } from '@sluice/config';
import { ManualClock } from '@sluice/kernel';
import { SilentLogger } from '@sluice/observability';
import { AgentStateRepository } from '../history/agent-state.repository.js';
import { HistoryRepository } from '../history/history.repository.js';
import { anEvent } from '../testing/usage-events.js';
import { UsageDatabase } from '../testing/usage-database.js';
import { CallerErasure } from './caller.erasure.js';
import { underLock } from './job.lock.js';
import { PartitionKeeper, weekOf } from './partition.keeper.js';
import { Reconciliation } from './reconciliation.js';
import { UsageUpkeep } from './usage.upkeep.js';

const DAY = 86_400_000;
const now = Date.UTC(2026, 10, 20, 12);
let db: UsageDatabase;
const clock = new ManualClock(now);

beforeAll(async () => {
  db = await UsageDatabase.start();
});
afterAll(() => db.stop());
beforeEach(() => db.clear());

const reconciled = () => new Reconciliation(db.database.writer).compare(new Date(now));

describe('weekly partitions', () => {
  it('start on Mondays, whatever the time', () => {
    expect(weekOf(Date.UTC(2026, 10, 22, 23, 59))).toEqual({
      name: 'token_usage_20261116',
      from: new Date('2026-11-16T00:00:00Z'),
      to: new Date('2026-11-23T00:00:00Z'),
    });
    expect(weekOf(Date.UTC(2026, 10, 23)).name).toBe('token_usage_20261123');
    expect(weekOf(0).from).toEqual(new Date('1969-12-29T00:00:00Z'));
  });

  it('are made eight weeks ahead, once', async () => {
    const far = new ManualClock(Date.UTC(2028, 0, 5));
    const keeper = new PartitionKeeper(db.database.writer, far);
    expect(await keeper.ensure()).toHaveLength(9);
    expect(await keeper.ensure()).toEqual([]);
  });

  it('take over what fell into the default partition, and lose nothing', async () => {
    const at = Date.UTC(2025, 5, 4);
    await db.insert(anEvent({ at }), anEvent({ at: at + DAY }), anEvent({ at: at - 7 * DAY }));
    const made = await new PartitionKeeper(db.database.writer, clock).ensure();
    expect(made).toEqual(expect.arrayContaining(['token_usage_20250526', 'token_usage_20250602']));
    expect(await db.rows('SELECT count(*)::int AS n FROM token_usage_default')).toEqual([{ n: 0 }]);
    expect(await db.rows('SELECT count(*)::int AS n FROM token_usage')).toEqual([{ n: 3 }]);
    // The partition has the parent's key: a replay is still recognised.
    const event = anEvent({ at });
    expect([await db.insert(event), await db.insert(event)]).toEqual([1, 0]);
  });

  it('are dropped when the whole week is older than the retention', async () => {
    const keeper = new PartitionKeeper(db.database.writer, clock);
    await db.insert(anEvent({ at: Date.UTC(2024, 0, 10) }), anEvent({ at: now }));
    await keeper.ensure();
    expect(await keeper.drop(new Date('2024-01-14T00:00:00Z'))).toEqual([]);
    expect(await keeper.drop(new Date('2024-01-15T00:00:00Z'))).toEqual(['token_usage_20240108']);
    expect(await db.rows('SELECT count(*)::int AS n FROM token_usage')).toEqual([{ n: 1 }]);
    expect(await db.rows('SELECT sum(calls)::int AS n FROM usage_daily')).toEqual([{ n: 2 }]);
  });
});

describe('reconciliation', () => {
  it('finds a rollup that differs, rebuilds the day, and leaves other days alone', async () => {
    await db.insert(
      anEvent({ at: now }),
      anEvent({ at: now, model: 'b' }),
      anEvent({ at: now - DAY }),
    );
    expect(await reconciled()).toEqual([]);
    await db.rows(`UPDATE usage_daily SET calls = calls + 1 WHERE model = 'b'`);
    await db.rows(`DELETE FROM usage_hourly WHERE model = 'b'`);
    await db.rows(`INSERT INTO usage_daily_caller SELECT tenant, day, 'ghost', agent, model, provider, tier, calls, failures, hits, coalesced, estimated, input_tokens, output_tokens,
      cached_input_tokens, cache_write_tokens, reasoning_tokens, cost_micro_usd, saved_cache_micro_usd, saved_routing_micro_usd, saved_coalescing_micro_usd, duration_us
      FROM usage_daily_caller WHERE day = '2026-11-20' LIMIT 1`);
    expect(await reconciled()).toEqual([
      { day: '2026-11-20', rollup: 'usage_hourly', keys: 1 },
      { day: '2026-11-20', rollup: 'usage_daily', keys: 1 },
      { day: '2026-11-20', rollup: 'usage_daily_caller', keys: 1 },
    ]);
    const found = await new Reconciliation(db.database.writer).run({
      from: new Date(now - DAY),
      to: new Date(now),
    });
    expect(found).toHaveLength(3);
    expect(await reconciled()).toEqual([]);
    expect(await db.rows('SELECT sum(calls)::int AS n FROM usage_daily')).toEqual([{ n: 3 }]);
  });

  it('sees events and rollups equal while they are being written', async () => {
    const enough = new AbortController();
    const writer = (async () => {
      while (!enough.signal.aborted) {
        await db.insert(...Array.from({ length: 50 }, () => anEvent({ at: now })));
      }
    })();
    for (let n = 0; n < 10; n += 1) expect(await reconciled()).toEqual([]);
    enough.abort();
    await writer;
  });
});

describe('erasing a caller', () => {
  const history = () => new HistoryRepository(db.database.requests);
  const states = () => new AgentStateRepository(db.database.requests);
  const key = { tenant: 'default', caller: 'alice', session: 's' };
  const erasure = () => new CallerErasure(db.database.writer, clock);
  const entry = { requestId: anEvent().requestId, at: now, model: 'm', prompt: 'p', answer: 'a' };

  it('deletes what was said and takes the name off what was billed', async () => {
    await db.insert(
      anEvent({ at: now - 1, agent: 'a', session: 's', costMicroUsd: 10 }),
      anEvent({ at: now - 1, agent: 'b', costMicroUsd: 20 }),
      anEvent({ at: now - 1, caller: 'bob', costMicroUsd: 40 }),
      anEvent({ at: now - 1, tenant: 'other', costMicroUsd: 80 }),
    );
    await history().add(key, entry);
    await states().put(key, 'a', { step: 1 });
    expect(await erasure().erase('default', 'alice')).toEqual({
      sessions: 1,
      history: 1,
      agentStates: 1,
      events: 2,
    });
    const rows =
      await db.rows(`SELECT caller LIKE 'erased-%' AS erased, key_id, agent, session, sum(cost_micro_usd)::int AS cost
      FROM token_usage WHERE tenant = 'default' GROUP BY 1, 2, 3, 4 ORDER BY 5`);
    expect(rows).toEqual([
      { erased: true, key_id: null, agent: null, session: null, cost: 30 },
      { erased: false, key_id: 'key-1', agent: null, session: null, cost: 40 },
    ]);
    expect(
      await db.rows(`SELECT count(*)::int AS n FROM token_usage WHERE caller = 'alice'`),
    ).toEqual([{ n: 1 }]);
    expect(await db.rows(`SELECT count(*)::int AS n FROM chat_history`)).toEqual([{ n: 0 }]);
    expect(await reconciled()).toEqual([]);
  });

  it('is nothing, and no error, for an unknown caller or one of another tenant', async () => {
    await db.insert(anEvent({ tenant: 'other', at: now - 1 }));
    expect(await erasure().erase('default', 'alice')).toEqual({
      sessions: 0,
      history: 0,
      agentStates: 0,
      events: 0,
    });
    expect(await db.rows(`SELECT caller FROM token_usage`)).toEqual([{ caller: 'alice' }]);
  });

  it('reaches events that a spool delivers later, but not what the caller did afterwards', async () => {
    await db.insert(anEvent({ at: now - 2, agent: 'a' }));
    await erasure().erase('default', 'alice');
    await db.insert(
      anEvent({ at: now - 1, agent: 'a', costMicroUsd: 5 }),
      anEvent({ at: now + 1, agent: 'a' }),
      anEvent({ at: now - 1, model: 'x' }),
    );
    expect(await erasure().repeat()).toBe(2);
    expect(await erasure().repeat()).toBe(0);
    expect(
      await db.rows(
        `SELECT count(*)::int AS n, count(DISTINCT caller)::int AS names FROM token_usage WHERE caller <> 'alice'`,
      ),
    ).toEqual([{ n: 3, names: 1 }]);
    expect(await reconciled()).toEqual([]);
  });

  it('is forgotten itself after thirty days', async () => {
    await erasure().erase('default', 'alice');
    await new CallerErasure(db.database.writer, new ManualClock(now + 31 * DAY)).repeat();
    expect(await db.rows('SELECT * FROM usage_erasure')).toEqual([]);
  });
});

describe('history', () => {
  const key = { tenant: 'default', caller: 'alice', session: 's' };
  const ids = Array.from({ length: 5 }, (_, n) => anEvent({ at: now + n }).requestId);

  it('gives a session back in pages, to its caller alone', async () => {
    const history = new HistoryRepository(db.database.requests);
    for (const [n, requestId] of ids.entries()) {
      const entry = {
        requestId,
        at: now,
        model: 'm',
        prompt: { n, odd: 'a\0b\ud800' },
        answer: [n],
      };
      await history.add(key, entry);
      await history.add(key, entry);
    }
    const first = await history.page(key, { limit: 3 });
    const last = first.at(-1)!;
    const rest = await history.page(key, { limit: 3, after: last });
    expect([...first, ...rest].map(({ requestId }) => requestId)).toEqual(ids);
    expect(first[0]?.prompt).toEqual({ n: 0, odd: 'ab\ufffd' });
    for (const other of [
      { ...key, tenant: 't' },
      { ...key, caller: 'bob' },
      { ...key, session: 'z' },
    ]) {
      expect(await history.page(other, { limit: 9 })).toEqual([]);
    }
  });

  it('keeps an agent’s last state until it is removed', async () => {
    const states = new AgentStateRepository(db.database.requests);
    expect(await states.get(key, 'a')).toBeUndefined();
    await states.put(key, 'a', { step: 1 });
    await states.put(key, 'a', { step: 2 });
    expect(await states.get(key, 'a')).toEqual({ step: 2 });
    expect(await states.get({ ...key, tenant: 'other' }, 'a')).toBeUndefined();
    await states.remove(key, 'a');
    expect(await states.get(key, 'a')).toBeUndefined();
  });
});

describe('upkeep', () => {
  function upkeep(at = now) {
    const config = configFromObjects({
      sluice: { usage: { retention: '30d', history: { retention: '1d' } } },
    });
    return new UsageUpkeep(db.database, config, new ManualClock(at), new SilentLogger());
  }

  it('applies the configured retentions', async () => {
    const history = new HistoryRepository(db.database.requests);
    const states = new AgentStateRepository(db.database.requests);
    const key = { tenant: 'default', caller: 'alice', session: 's' };
    const later = Date.now() + 2 * DAY;
    await history.add(key, {
      requestId: anEvent().requestId,
      at: Date.now(),
      model: 'm',
      prompt: '',
      answer: '',
    });
    await states.put(key, 'a', 1);
    await db.insert(anEvent({ at: later - 31 * DAY }));
    await upkeep(later).partitions();
    await upkeep(later).retention();
    expect(
      await db.rows(
        'SELECT (SELECT count(*)::int FROM chat_history) AS h, (SELECT count(*)::int FROM agent_state) AS a, (SELECT count(*)::int FROM chat_session) AS s',
      ),
    ).toEqual([{ h: 0, a: 0, s: 0 }]);
  });

  it('reconciles the last days and repeats erasures', async () => {
    await db.insert(anEvent({ at: now - 2 * DAY }));
    await db.rows('UPDATE usage_daily SET calls = 9');
    expect(await upkeep().reconciliation()).toEqual([
      { day: '2026-11-18', rollup: 'usage_daily', keys: 1 },
    ]);
    expect(await upkeep().reconciliation()).toEqual([]);
    expect(await upkeep().erasures()).toBe(0);
  });

  it('runs a job in one process at a time', async () => {
    const inside = Promise.withResolvers<undefined>();
    const first = underLock(db.database.requests, 'job', () => inside.promise.then(() => 'done'));
    const others = async () => underLock(db.database.requests, 'job', async () => 'too');
    let second = await others();
    while (second !== undefined) second = await others();
    inside.resolve(undefined);
    expect(await first).toBe('done');
    expect(await others()).toBe('too');
  });
});
