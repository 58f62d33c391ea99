import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openTestDatabase, type Database, type OpenTestDatabase } from '@sluice/database';
import type { ArmDelta } from '../experiments/arm.totals.js';
import { callOf, routingWorld, THREE_MODELS } from '../../testing/routing.world.js';
import { PostgresExperimentStore } from './postgres-experiment.store.js';
import { PostgresFeedbackStore } from './postgres-feedback.store.js';
import { PostgresFlagStore } from './postgres-flag.store.js';

let opened: OpenTestDatabase;
let database: Database;

beforeAll(async () => {
  opened = await openTestDatabase();
  ({ database } = opened);
});
afterAll(() => opened.close());

describe('flags in Postgres', () => {
  it('come back as they were stored, the last writer winning', async () => {
    const [a, b] = [new PostgresFlagStore(database), new PostgresFlagStore(database)];
    const observation = { share: 0.5, p95Bound: 0.2, errorBound: 0.02, minCalls: 100 };
    const first = {
      name: 'coalescing',
      enabled: true,
      observation,
      reason: 'admin',
      updatedAt: 1_700_000_000_000,
    };
    await a.save(first);
    expect(await b.load()).toEqual([first]);
    const second = {
      name: 'coalescing',
      enabled: false,
      reason: 'rolled back: slow',
      updatedAt: 1_700_000_001_000,
    };
    await b.save(second);
    expect(await a.load()).toEqual([second]);
  });
});

describe('experiment sums in Postgres', () => {
  const delta = (arm: string, n: number): ArmDelta => ({
    experiment: 'e',
    arm,
    metric: 'cost_usd',
    n,
    sum: n * 2,
    squares: n * 4,
  });

  it('add up over replicas that write at once', async () => {
    const stores = [new PostgresExperimentStore(database), new PostgresExperimentStore(database)];
    await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        stores[i % 2]!.add([delta('routed', 1), delta('model:x', 2)]),
      ),
    );
    expect(await stores[0]!.read('e')).toEqual([delta('model:x', 40), delta('routed', 20)]);
    expect(await stores[0]!.read('other')).toEqual([]);
  });
});

describe('feedback in Postgres', () => {
  const replica = () =>
    routingWorld(THREE_MODELS, { feedbackStore: new PostgresFeedbackStore(database) });
  const { caller } = callOf('');

  it('may come to another replica than the one that answered, once, and after a restart', async () => {
    const [a, b, c] = [replica(), replica(), replica()];
    const answer = {
      caller,
      model: 'small',
      grade: 'simple',
      experiment: { id: 'e', arm: 'x' },
    } as const;
    a.feedback.answered({ ...answer, requestId: 'r1' });
    a.feedback.answered({ ...answer, requestId: 'r2' });
    await a.feedback.onApplicationShutdown();
    await b.feedback.give(caller, 'r1', 0);
    expect(b.learning.ledger.states()).toMatchObject([
      { model: 'small', grade: 'simple', failures: 1 },
    ]);
    await expect(c.feedback.give(caller, 'r1', 1)).rejects.toMatchObject({ code: 'conflict' });
    const judgements = await Promise.allSettled(
      [b, c, b, c].map((each) => each.feedback.give(caller, 'r2', 1)),
    );
    expect(judgements.filter((judgement) => judgement.status === 'fulfilled')).toHaveLength(1);
  });

  it('keeps whatever names callers bring, also those that Postgres has no text for', async () => {
    const w = replica();
    const odd = { ...caller, id: 'half \ud83d, n\0ul, "quote" \\u0041' };
    const answer = { caller: odd, model: 'small', grade: undefined };
    w.feedback.answered({ ...answer, requestId: 'odd', estimate: 0.25 });
    w.feedback.answered({ ...answer, requestId: 'beside it', caller });
    await w.feedback.onApplicationShutdown();
    const { rows } = await database.requests.query(
      `SELECT caller, grade, estimate FROM routing_decisions WHERE request_id = 'odd'`,
    );
    expect(rows).toEqual([
      { caller: 'half \ufffd, nul, "quote" \\u0041', grade: null, estimate: 0.25 },
    ]);
    await w.feedback.give(caller, 'beside it', 1);
  });

  it('is for the caller whose call it was, in that tenant', async () => {
    const w = replica();
    w.feedback.answered({ requestId: 'mine', caller, model: 'small', grade: undefined });
    for (const other of [
      { ...caller, tenant: 'other' },
      { ...caller, id: 'eve' },
    ]) {
      await expect(w.feedback.give(other, 'mine', 1)).rejects.toMatchObject({ code: 'not_found' });
    }
    await w.feedback.give(caller, 'mine', 1);
  });

  it('is forgotten after a day', async () => {
    const w = replica();
    w.feedback.answered({ requestId: 'old', caller, model: 'small', grade: undefined });
    w.clock.advance(25 * 3_600_000);
    w.feedback.answered({ requestId: 'new', caller, model: 'small', grade: undefined });
    await expect(w.feedback.give(caller, 'old', 1)).rejects.toMatchObject({ code: 'not_found' });
    await w.feedback.give(caller, 'new', 1);
  });
});
