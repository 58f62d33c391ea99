// npm run benchmark:usage [-- --calls 40000 --rounds 5]
// CPU that usage accounting takes of each paid call, threads included: on the call's path, until its event is on the disk, and until
// it is in the database. The calls cost nothing else, and what they take without usage is subtracted.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { configFromObjects } from '@sluice/config';
import {
  ChatCall,
  ChatReply,
  MessageAssembler,
  SystemClock,
  uuidv7,
  type ChatHandler,
  type SpendHold,
  type Target,
} from '@sluice/kernel';
import { Metrics, SilentLogger } from '@sluice/observability';
import { compose } from '../../libs/chat/src/compose.js';
import { PaidCallInterceptor } from '../../libs/usage/src/paid-call/paid-call.interceptor.js';
import { UsageShipper } from '../../libs/usage/src/shipping/usage.shipper.js';
import { UsageSpool } from '../../libs/usage/src/spool/usage.spool.js';
import { tokens } from '../../libs/usage/src/testing/usage-events.js';
import { UsageInterceptor } from '../../libs/usage/src/usage.interceptor.js';
import { UsageMetrics } from '../../libs/usage/src/usage.metrics.js';
import { UsageRecorder } from '../../libs/usage/src/usage.recorder.js';
import { BenchmarkServer } from '../db/server.js';

const { values: args } = parseArgs({
  options: {
    calls: { type: 'string', default: '40000' },
    rounds: { type: 'string', default: '5' },
    name: { type: 'string', default: 'usage' },
  },
});
const CALLS = Number(args.calls);
/** Calls in flight at once. */
const WAVE = 32;

const target: Target = {
  model: 'gpt-4o-mini',
  provider: 'openai',
  upstream: 'gpt-4o-mini',
  price: { input: 0.15, output: 0.6 },
  grade: undefined,
  capabilities: [],
  contextTokens: undefined,
  maxOutputTokens: undefined,
};
const bill = { usage: tokens(100, 20), costMicroUsd: 27 };
const message = new MessageAssembler().message();
const expected = { earlier: { usage: tokens(0, 0), costMicroUsd: 0 }, usage: tokens(100, 25) };

/** A provider that answers at once. */
const upstream: ChatHandler = async (call) => {
  await call.hold.cover(target);
  call.journal.attempts.push({ model: target.model, provider: target.provider, startedAt: 0 });
  return ChatReply.message(message, { bill });
};

function aCall(): ChatCall {
  const call = new ChatCall({
    id: uuidv7(),
    caller: { tenant: 'default', id: 'alice', kind: 'key', tier: 'paid', scopes: [], keyId: 'k1' },
    dialect: 'openai-chat',
    model: 'auto',
    stream: false,
    body: {},
    signal: SIGNAL,
    parse: () => ({ messages: [] }),
    route: '/v1/chat/completions',
  });
  const hold: SpendHold = {
    cover: async () => {
      call.journal.expected = expected;
    },
    sending: () => undefined,
    progress: () => 'go',
  };
  call.hold = hold;
  return call;
}

const SIGNAL = new AbortController().signal;

async function run(handler: ChatHandler): Promise<void> {
  for (let left = CALLS; left > 0; left -= WAVE) {
    await Promise.all(Array.from({ length: WAVE }, async () => (await handler(aCall())).take()));
    await new Promise(setImmediate);
  }
}

/** User and system time of all threads, in µs a call. */
async function cpu(work: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / CALLS;
}

const root = await mkdtemp(join(tmpdir(), 'sluice-bench-usage-'));
const server = await BenchmarkServer.start(join(root, 'db'));
const database = await server.database();
try {
  const rounds: Record<string, number>[] = [];
  for (let round = 0; round <= Number(args.rounds); round += 1) {
    const measured = await measure();
    // The first one warms up.
    if (round > 0) rounds.push(measured);
    console.log(round, measured);
  }
  const names = Object.keys(rounds[0] ?? {});
  const medians = Object.fromEntries(
    names.map((name) => [
      name,
      percentile(
        rounds.map((each) => each[name] ?? 0),
        0.5,
      ),
    ]),
  );
  console.table(medians);
  await mkdir('benchmarks/results', { recursive: true });
  await writeFile(
    `benchmarks/results/${args.name}.json`,
    `${JSON.stringify({ at: new Date().toISOString(), calls: CALLS, wave: WAVE, medians, rounds }, null, 2)}\n`,
  );
} finally {
  await database.close();
  await server.stop();
  await rm(root, { recursive: true, force: true });
}

async function measure(): Promise<Record<string, number>> {
  const clock = new SystemClock();
  const config = configFromObjects();
  const logger = new SilentLogger();
  const spool = new UsageSpool({ root: join(root, 'spool'), maxBytes: () => 1e12, onFault: fail });
  await spool.open();
  const recorder = new UsageRecorder(spool, new UsageMetrics(new Metrics()));
  const history = { offer: () => undefined } as never;
  const around = (to: UsageRecorder) => [
    new UsageInterceptor(to, history, config, clock, logger),
    new PaidCallInterceptor(to, config, clock),
  ];
  const noteMicros: number[] = [];
  // Notes as always; the event is built, and goes nowhere.
  const notesOnly = {
    note: (...noted: Parameters<UsageRecorder['note']>) => {
      const started = performance.now();
      const written = recorder.note(...noted);
      noteMicros.push((performance.now() - started) * 1000);
      return written;
    },
    record: async () => undefined,
  } as unknown as UsageRecorder;
  const bare = await cpu(() => run(compose([], upstream)));
  const path = await cpu(() => run(compose(around(notesOnly), upstream)));
  const durable = await cpu(async () => {
    await run(compose(around(recorder), upstream));
    await new Promise(setImmediate);
    await spool.flush();
  });
  const shipper = new UsageShipper({
    spool,
    db: database.writer,
    onShipped: () => undefined,
    onRecovered: () => undefined,
    onFault: fail,
    onRejected: async (_, error) => fail(error),
  });
  const shipping = await cpu(async () => {
    shipper.start();
    await shipper.close(600_000);
  });
  await spool.close();
  return {
    'path, µs': round1(path - bare),
    'until durable, µs': round1(durable - bare),
    'shipping in the background, µs': round1(shipping),
    'a note, wall clock p50, µs': round1(percentile(noteMicros, 0.5)),
    'a note, wall clock p99, µs': round1(percentile(noteMicros, 0.99)),
    'a note, wall clock p99.9, µs': round1(percentile(noteMicros, 0.999)),
  };
}

function fail(error: unknown): never {
  throw error;
}

function percentile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0;
}

function round1(value: number): number {
  return Math.round(value * 10) / 10;
}
