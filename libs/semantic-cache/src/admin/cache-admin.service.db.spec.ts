import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { SoleProcess } from '@sluice/cluster';
import { configFromObjects } from '@sluice/config';
import { ManualClock } from '@sluice/kernel';
import { DeferredWork, Metrics, SilentLogger } from '@sluice/observability';
import {
  DisabledRedisConnection,
  LiveRedisConnection,
  startTestRedis,
  type RedisConnection,
  type TestRedis,
} from '@sluice/redis';
import { randomUUID } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ask } from '../../testing/cache-calls.js';
import { CacheBindings } from '../cache-bindings.js';
import { CacheMetrics } from '../cache-metrics.js';
import { CacheStorage } from '../cache-storage.js';
import { Chance } from '../control/chance.js';
import { ShadowChecks } from '../control/shadow-checks.js';
import type { CachedAnswer } from '../exact/cached-answer.js';
import { LookupWatch } from '../lookup-watch.js';
import { RecentHits } from '../recent-hits.js';
import type { Question } from '../semantic/question.js';
import { loadServerStores, SharedStores } from '../shared-stores.js';
import { CacheWarmer } from '../warming/cache-warmer.js';
import { PredictiveWarmer } from '../warming/predictive-warmer.js';
import { CacheAdminService } from './cache-admin.service.js';
import { ClearChannel } from './clear-channel.js';

const folder = mkdtempSync(join(tmpdir(), 'cache-admin-'));
const open: (() => Promise<void>)[] = [];
let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((close) => close()));
});
afterAll(async () => {
  await redis.stop();
  await rm(folder, { recursive: true });
});

const clock = new ManualClock();
const keyOf = (tenant: string, text: string) =>
  `${tenant}:default:small:${Buffer.from(text).toString('hex').padStart(64, '0').slice(-64)}`;
const answer = (): CachedAnswer => ({
  message: { choices: [] } as unknown as CachedAnswer['message'],
  costMicroUsd: 1,
  storedAt: clock.now(),
  expiresAt: clock.now() + 60_000,
});

/** One replica, wired by hand. */
async function replica(connection: RedisConnection = new DisabledRedisConnection()) {
  const logger = new SilentLogger();
  const config = configFromObjects({
    env: {
      SLUICE_DATA_DIR: join(folder, randomUUID()),
      ...(connection.enabled ? { REDIS_URL: redis.url } : {}),
    },
  });
  const deferred = new DeferredWork(logger);
  const metrics = new CacheMetrics(new Metrics());
  const bindings = new CacheBindings();
  const servers = await loadServerStores(config);
  const stores = new SharedStores(config, clock, logger, connection, servers, new SoleProcess());
  const storage = new CacheStorage(config, clock, deferred, metrics, bindings, stores);
  const channel = new ClearChannel(connection, storage, logger, new SoleProcess());
  const checks = new ShadowChecks(config, bindings, deferred, metrics, new Chance());
  const predictive = new PredictiveWarmer(config, storage, deferred);
  const watch = new LookupWatch(metrics, checks, predictive);
  const warmer = new CacheWarmer(config, bindings, deferred, logger, watch, new SoleProcess());
  const recent = new RecentHits();
  const admin = new CacheAdminService(storage, channel, warmer, metrics, checks, recent);
  channel.onModuleInit();
  storage.onApplicationBootstrap();
  const { cache, embedders } = config.current.sluice;
  await storage.semantic.open(cache, embedders);
  await deferred.drain(5000);
  open.push(async () => {
    channel.onModuleDestroy();
    await storage.onModuleDestroy();
    await connection.close();
  });
  const keep = async (tenant: string, text: string): Promise<Question> => {
    const key = keyOf(tenant, text);
    const question = { text, context: '', scope: tenant, fingerprint: 'f', key };
    storage.keep({ key, answer: answer(), generation: storage.clearings.generation, question });
    await storage.written();
    return question;
  };
  return { admin, storage, recent, checks, keep, config };
}
async function onRedis() {
  const connection = new LiveRedisConnection({ url: redis.url }, new SilentLogger());
  while (!connection.available) await new Promise((resolve) => setTimeout(resolve, 10));
  return replica(connection);
}

describe('the administration of the cache', () => {
  it('clears by pattern in all tiers, and everything without one', async () => {
    const { admin, storage, keep } = await replica();
    await keep('acme', 'What is a river?');
    await keep('other', 'What is a mountain?');
    expect(await admin.clear({ pattern: 'acme' })).toEqual({ l1: 1, l2: 1, semantic: 1 });
    const left = keyOf('other', 'What is a mountain?');
    expect(storage.memory.get(left)).toBeDefined();
    expect(await storage.fromSecond(left, 1000)).toBeDefined();
    expect(await storage.fromSecond(keyOf('acme', 'What is a river?'), 1000)).toBeUndefined();
    expect(await admin.clear({})).toEqual({ l1: 1, l2: 1, semantic: 1 });
  });

  it('removes what has expired', async () => {
    const { admin, keep } = await replica();
    await keep('acme', 'What is a river?');
    expect(await admin.cleanup()).toEqual({ l1: 0, l2: 0, semantic: 0 });
    clock.advance(60_000);
    expect(await admin.cleanup()).toMatchObject({ l2: 1, semantic: 1 });
  });

  it('evicts a wrong hit with its neighbours, and the controller learns', async () => {
    const { admin, storage, recent, keep } = await replica();
    const question = await keep('acme', 'What are the opening hours of the library?');
    await keep('acme', 'What are the opening hours of the library today?');
    const { candidate } = await storage.semantic.lookup(question, 1000);
    if (candidate === undefined) throw new Error('no hit');
    const call = ask(question.text);
    recent.note(call, { scope: 'acme', key: question.key }, {
      candidate,
      question,
    } as Parameters<RecentHits['note']>[2]);
    expect(await admin.feedback(call.id, true)).toEqual({ evicted: 0 });
    const { evicted } = await admin.feedback(call.id, false);
    expect(evicted).toBeGreaterThan(0);
    expect(await storage.fromSecond(question.key, 1000)).toBeUndefined();
    await expect(admin.feedback('unknown', true)).rejects.toMatchObject({ code: 'not_found' });
  });

  it('evicts a wrong exact hit', async () => {
    const { admin, storage, recent, keep } = await replica();
    const { key } = await keep('acme', 'What is a river?');
    const call = ask('What is a river?');
    recent.note(call, { scope: 'acme', key }, {} as Parameters<RecentHits['note']>[2]);
    expect(await admin.feedback(call.id, false)).toEqual({ evicted: 1 });
    expect(storage.memory.get(key)).toBeUndefined();
  });

  it('evicts a wrong warm answer for everybody, whoever was served', async () => {
    const { admin, storage, recent, keep } = await replica();
    const { key: warm } = await keep('*', 'What is a river?');
    const call = ask('What is a river?');
    const found = { key: warm } as Parameters<RecentHits['note']>[2];
    recent.note(call, { scope: 'acme', key: 'acme:default:small:its-own' }, found);
    expect(await admin.feedback(call.id, false)).toEqual({ evicted: 1 });
    expect(storage.memory.get(warm)).toBeUndefined();
  });

  it('tells what is held, and warms nothing while nobody can ask', async () => {
    const { admin, keep } = await replica();
    await keep('acme', 'What is a river?');
    expect(await admin.stats()).toMatchObject({
      hit_rate: 0,
      tiers: { l1: { entries: 1, hits: 0 }, l2: { entries: 1 } },
      semantic: { entries: 1, state: 'open', embedder: 'lexical', vetoes: {} },
      warming: { promoted: 0 },
    });
    const queries = [{ model: 'small', prompt: 'a' }];
    expect(await admin.warm(queries)).toEqual({ warmed: 0, failed: 1 });
  });

  it('clears every replica, its own vectors and what it was about to store', async () => {
    const [here, there] = await Promise.all([onRedis(), onRedis()]);
    const { generation } = there.storage.clearings;
    await there.keep('acme', 'What is a lake?');
    const { key } = await here.keep('acme', 'What is a river?');
    expect(await there.storage.fromSecond(key, 1000)).toBeDefined();
    expect(there.storage.memory.get(key)).toBeDefined();
    expect(await here.admin.clear({ pattern: 'acme' })).toMatchObject({ l1: 1, l2: 2 });
    while (there.storage.memory.get(key) !== undefined) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(here.storage.memory.get(key)).toBeUndefined();
    while ((await there.storage.semantic.count()) > 0) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    // Asked there before the clearing, answered after it.
    there.storage.keep({ key, answer: answer(), generation });
    await there.storage.written();
    expect(there.storage.memory.get(key)).toBeUndefined();
    expect(await here.storage.fromSecond(key, 1000)).toBeUndefined();
  });
});
