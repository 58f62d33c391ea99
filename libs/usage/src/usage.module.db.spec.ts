import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Global, Module } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import { configFromObjects, ConfigStore, type StaticConfigStore } from '@sluice/config';
import { Database } from '@sluice/database';
import {
  ChatCall,
  ChatReply,
  Clock,
  GatewayError,
  MessageAssembler,
  SystemClock,
  uuidv7,
} from '@sluice/kernel';
import { DeferredWork, Logger, Metrics, SilentLogger } from '@sluice/observability';
import { HistoryRepository } from './history/history.repository.js';
import { anEvent, tokens } from './testing/usage-events.js';
import { UsageDatabase } from './testing/usage-database.js';
import { UsageInterceptor } from './usage.interceptor.js';
import { UsageModule } from './usage.module.js';
import { UsageRecorder } from './usage.recorder.js';

let db: UsageDatabase;
let dataDir: string;
let app: TestingModule;
let config: StaticConfigStore;
const deferred = new DeferredWork(new SilentLogger());

async function start(): Promise<TestingModule> {
  const globals = [
    { provide: ConfigStore, useValue: config },
    { provide: Database, useValue: db.database },
    { provide: Logger, useValue: new SilentLogger() },
    { provide: Metrics, useValue: new Metrics() },
    { provide: Clock, useValue: new SystemClock() },
    { provide: DeferredWork, useValue: deferred },
  ];
  @Global()
  @Module({ providers: globals, exports: globals.map(({ provide }) => provide) })
  class Globals {}
  const module = await Test.createTestingModule({ imports: [Globals, UsageModule] }).compile();
  return module.init();
}

beforeAll(async () => {
  db = await UsageDatabase.start();
  dataDir = await mkdtemp(join(tmpdir(), 'sluice-usage-'));
  config = configFromObjects({ env: { SLUICE_DATA_DIR: dataDir } });
  // Closing the app would close the pools that the next one needs.
  Object.defineProperty(db.database, 'onApplicationShutdown', { value: () => Promise.resolve() });
  app = await start();
});
afterAll(async () => {
  await app.close();
  await db.stop();
  await rm(dataDir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
});

function aCall(tier = 'paid'): ChatCall {
  return new ChatCall({
    id: uuidv7(),
    caller: { tenant: 'default', id: 'alice', kind: 'key', tier, scopes: [] },
    dialect: 'openai-chat',
    model: 'm',
    stream: false,
    body: { messages: [{ role: 'user', content: 'hello' }] },
    signal: new AbortController().signal,
    parse: () => ({}) as never,
    session: 's',
  });
}
async function answer(call: ChatCall): Promise<void> {
  const assembler = new MessageAssembler();
  assembler.addEvent({ type: 'text', choice: 0, text: 'hi' });
  call.journal.attempts.push({ model: 'm', provider: 'p', startedAt: 0, outcome: 'completed' });
  const bill = { usage: tokens(2, 1), costMicroUsd: 250_000 };
  const reply = await app
    .get(UsageInterceptor)
    .around(call, async () => ChatReply.message(assembler.message(), { bill }));
  reply.take();
}
async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}
const storedCalls = (id: string) =>
  db.rows('SELECT 1 FROM token_usage WHERE request_id = $1', [id]);

describe('UsageModule', () => {
  it('brings a call into the database and into the metrics', async () => {
    const call = aCall();
    await answer(call);
    await until(async () => (await storedCalls(call.id)).length === 1);
    const text = await app.get(Metrics, { strict: false }).registry.metrics();
    expect(text).toContain('sluice_cost_usd_total{provider="p",model="m",tier="paid"} 0.25');
    expect(text).toContain('sluice_cost_saved_usd_total{by="cache"} 0');
    expect(text).toMatch(/sluice_usage_rows_total \d/);
    expect(text).toMatch(/sluice_usage_spool_bytes \d+/);
  });

  it('counts savings by what saved, and no label for a call that cost nothing', async () => {
    const saved = { cache: 1_000_000, routing: 2_000_000, coalescing: 3_000_000 };
    await app.get(UsageRecorder).record(anEvent({ model: 'free-ride', costMicroUsd: 0, saved }));
    const text = await app.get(Metrics, { strict: false }).registry.metrics();
    expect(text).toContain('sluice_cost_saved_usd_total{by="coalescing"} 3');
    expect(text).not.toContain('free-ride');
  });

  it('keeps prompts and answers of tiers that opted in, and of no other', async () => {
    config.replace({
      sluice: { usage: { history: { tiers: ['open'] } } },
      policies: { tiers: { open: {} } },
    });
    const [kept, not] = [aCall('open'), aCall('paid')];
    await answer(kept);
    await answer(not);
    await until(async () => (await storedCalls(not.id)).length === 1);
    await deferred.drain(5_000);
    const history = app.get(HistoryRepository);
    const entries = await history.page(
      { tenant: 'default', caller: 'alice', session: 's' },
      { limit: 9 },
    );
    expect(entries.map(({ requestId }) => requestId)).toEqual([kept.id]);
    expect(entries[0]).toMatchObject({ model: 'm', prompt: kept.body });
    expect(JSON.stringify(entries[0]?.answer)).toContain('hi');
  });

  it('refuses new paid calls while bills have no safe place', () => {
    const recorder = app.get(UsageRecorder);
    expect(() => recorder.admit()).not.toThrow();
    config.replace({ sluice: { usage: { spoolMaxBytes: '0b' } } });
    expect(() => recorder.admit()).toThrow(GatewayError);
    config.replace({ sluice: {} });
    expect(recorder.full).toBe(false);
  });

  it('loses nothing and leaves nothing on the disk when it is shut down at once', async () => {
    const calls = Array.from({ length: 50 }, () => aCall());
    await Promise.all(calls.map(answer));
    await app.close();
    const ids = calls.map((call) => call.id);
    expect(
      await db.rows('SELECT count(*)::int AS n FROM token_usage WHERE request_id = ANY($1)', [ids]),
    ).toEqual([{ n: 50 }]);
    expect(await readdir(join(dataDir, 'spool'))).toEqual([]);
    app = await start();
  });
});
