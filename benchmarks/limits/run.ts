// npm run benchmark:limits [-- --ms 3000], with the young generation that the gateway has
// Decisions per second and p50/p99 of the guard and of reserve + settle, in process and in a Redis of its own.
// Reservations name nine counters, as a call of a tier, a tenant, a provider and a model with limits does.
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { SystemClock } from '@sluice/kernel';
import { SilentLogger } from '@sluice/observability';
import { LiveRedisConnection, startTestRedis } from '@sluice/redis';
import { MINUTE_MS, HOUR_MS, type RateWindow } from '../../libs/rate-limit/src/rate-window.js';
import { MemoryRateStore } from '../../libs/rate-limit/src/stores/memory-rate.store.js';
import { RedisRateStore } from '../../libs/rate-limit/src/stores/redis-rate.store.js';
import { MemoryLedger } from '../../libs/token-limits/src/ledger/memory.ledger.js';
import { RedisLedger } from '../../libs/token-limits/src/ledger/redis.ledger.js';
import type { SpendLedger } from '../../libs/token-limits/src/ledger/spend.ledger.js';
import { guards } from './guards.js';
import { measure, type Figures } from './measure.js';

const { values: args } = parseArgs({
  options: { ms: { type: 'string', default: '3000' }, name: { type: 'string', default: 'limits' } },
});
const ms = Number(args.ms);
const WINDOWS: readonly RateWindow[] = [
  { name: 'minute', limit: 100, windowMs: MINUTE_MS },
  { name: 'hour', limit: 1000, windowMs: HOUR_MS },
];

function shares(n: number) {
  const named = [
    'system|tokens|2026-01-01',
    'system|tokens|2026-01',
    'system|micro_usd|2026-01',
    'provider:openai|micro_usd|2026-01',
    'model:gpt|input_tokens|2026-01-01',
    'model:gpt|micro_usd|2026-01',
    `caller:default/c${n % 1000}|tokens|2026-01-01`,
    `caller:default/c${n % 1000}|tokens|2026-01`,
    `caller:default/c${n % 1000}|micro_usd|2026-01`,
  ];
  return named.map((counter) => ({ counter, amount: 900, limit: 9e15 }));
}

function pair(ledger: SpendLedger, id: number): unknown {
  const wanted = shares(id);
  const reserved = ledger.reserve(`b${id}`, wanted, 30_000);
  const actual = wanted.map(({ counter }) => ({ counter, amount: 321 }));
  if (!(reserved instanceof Promise)) return ledger.settle(`b${id}`, actual, []);
  return reserved.then((answer) => {
    if (answer.kind !== 'held') throw new Error(answer.kind);
    return ledger.settle(`b${id}`, actual, []);
  });
}

/** CPU seconds of the server's main thread: what bounds a Redis, whatever else runs on this machine. */
async function serverCpu(connection: LiveRedisConnection): Promise<number> {
  const info = await connection.command<string>(['INFO', 'cpu']);
  const seconds = (name: string) => Number(new RegExp(`${name}:([0-9.]+)`).exec(info)?.[1]);
  return seconds('used_cpu_user_main_thread') + seconds('used_cpu_sys_main_thread');
}

const results: Record<string, Figures & { readonly redisCpuUs?: number }> = {};
const record = async (name: string, lanes: number, work: (n: number) => unknown) => {
  results[name] = await measure(ms, lanes, work);
};

const clock = new SystemClock();
// First, on an empty heap: what the collector has to look at after fifty thousand subjects is not the ledger's.
let ledger = new MemoryLedger(clock, false);
let made = 0;
await record('reserve + settle, in process', 1, () => {
  // As much as is remembered at a real pace: at full speed it would be millions.
  if (++made % 200_000 === 0) ledger = new MemoryLedger(clock, false);
  return pair(ledger, made);
});
const rates = new MemoryRateStore(clock);
await record('requests, in process', 1, (n) => rates.decide(`t/c${n % 50_000}`, WINDOWS));
const { throttled, plain, context } = await guards();
await record('guard on @nestjs/throttler', 1, (n) =>
  throttled.canActivate(context(n)).catch(() => 0),
);
await record('plain guard, same limiter', 1, (n) => plain.canActivate(context(n)));
const server = await startTestRedis();
const redis = new LiveRedisConnection(
  { url: server.url, commandTimeoutMs: 5000 },
  new SilentLogger(),
);
try {
  await redis.ready(3000);
  const shared = new RedisRateStore(redis);
  const inRedis = new RedisLedger(redis, { banked: false });
  let id = 0;
  const recordRedis = async (name: string, lanes: number, work: (n: number) => unknown) => {
    let calls = 0;
    const before = await serverCpu(redis);
    await record(name, lanes, (n) => {
      calls++;
      return work(n);
    });
    const used = (await serverCpu(redis)) - before;
    const redisCpuUs = Math.round((used / calls) * 1e8) / 100;
    results[name] = { ...(results[name] as Figures), redisCpuUs };
  };
  for (const lanes of [1, 64]) {
    await recordRedis(`requests, Redis, ${lanes} at a time`, lanes, (n) =>
      shared.decide(`t/${lanes}c${n % 5000}`, WINDOWS),
    );
    await recordRedis(`reserve + settle, Redis, ${lanes} at a time`, lanes, () =>
      pair(inRedis, id++),
    );
  }
} finally {
  await redis.close();
  await server.stop();
}
console.table(results);
const directory = new URL('../results/', import.meta.url);
await mkdir(directory, { recursive: true });
const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version };
await writeFile(
  new URL(`${args.name}.json`, directory),
  `${JSON.stringify({ at: new Date().toISOString(), machine, ms, results }, null, 2)}\n`,
);
