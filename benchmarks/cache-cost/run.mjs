// npm run benchmark:cache-cost [-- --calls 3000 --root DIR --name cache-cost]
// What the cache costs a call: the room as the gateway starts it, on its own files, in front of an upstream that answers at
// once. CPU of the whole process and of the main thread, what was stored meanwhile included; each setting in a process of its own.
// `--root` measures the build of another checkout. Figures of one run are to be compared with one another.
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { Global, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';

const { values: args } = parseArgs({
  options: {
    calls: { type: 'string', default: '3000' },
    root: { type: 'string', default: '.' },
    name: { type: 'string', default: 'cache-cost' },
    /** Measures this one setting in this process and prints JSON. */
    setting: { type: 'string' },
  },
});
const LANES = 16;
const WARM_CALLS = 2000;
const root = resolve(args.root);

const WORDS = 'how do i reset the password of my account on this site please'.split(' ');
const PROMPT = 'Summarise in one sentence why a gateway should be fast. Call number ';
/** Apart by a name alone: with another number it would not be near. */
const near = (i) =>
  `Summarise in one sentence why a gateway should be fast, for ${[i, i >> 4, i >> 8].map((n) => NAMES[n & 15]).join(' ')}.`;
const NAMES =
  'Oslo Bergen Turin Lagos Quito Osaka Perth Tunis Malmo Cairo Dakar Sofia Hanoi Minsk Accra Porto'.split(
    ' ',
  );
/** name → the i-th question and the forwarded headers, which tell partitions of the semantic tier apart. */
const SETTINGS = {
  'exact hit': () => [PROMPT],
  'miss, nothing compatible stored': (i) => [PROMPT, { 'anthropic-beta': `b${i}` }],
  'miss among near questions': (i) => [near(i)],
  // The same words with other casing and punctuation: at first misses and hits, never the same bytes for long.
  'semantic hits and misses': (i) => [
    WORDS.map((w, k) => ((i >> k) & 1 ? w.toUpperCase() : w)).join(' ') + '?'.repeat(1 + (i % 3)),
  ],
};

if (args.setting === undefined) await all();
else await one(SETTINGS[args.setting]);

async function all() {
  const rows = Object.keys(SETTINGS).map((setting) => {
    const own = [fileURLToPath(import.meta.url), '--setting', setting, '--root', root];
    const said = execFileSync(process.execPath, [...own, '--calls', args.calls], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    return { setting, ...JSON.parse(said.trim().split('\n').at(-1)) };
  });
  console.table(rows);
  await mkdir('benchmarks/results', { recursive: true });
  const result = { at: new Date().toISOString(), node: process.version, calls: args.calls, rows };
  await writeFile(`benchmarks/results/${args.name}.json`, `${JSON.stringify(result, null, 2)}\n`);
}

async function one(ask) {
  const lib = (name) => import(pathToFileURL(join(root, `dist/libs/${name}/src/index.js`)).href);
  const [config, kernel, observability, redis, cache] = await Promise.all(
    ['config', 'kernel', 'observability', 'redis', 'semantic-cache'].map(lib),
  );
  const dir = mkdtempSync(join(tmpdir(), 'sluice-cache-cost-'));
  const logger = new observability.SilentLogger();
  const deferred = new observability.DeferredWork(logger);
  const world = [
    [config.ConfigStore, configIn(config, dir)],
    [kernel.Clock, new kernel.SystemClock()],
    [observability.Logger, logger],
    [observability.Metrics, new observability.Metrics()],
    [observability.DeferredWork, deferred],
    [redis.RedisConnection, new redis.DisabledRedisConnection()],
    ...(await alone()),
  ].map(([provide, useValue]) => ({ provide, useValue }));
  class World {}
  Global()(World);
  Module({ providers: world, exports: world.map(({ provide }) => provide) })(World);
  class App {}
  Module({ imports: [World, cache.SemanticCacheModule] })(App);
  const app = await NestFactory.createApplicationContext(App, { logger: ['error'] });
  const room = app.get(cache.SemanticCacheInterceptor);
  const verdicts = {};

  const send = async (i) => {
    const [text, forwardHeaders = {}] = ask(i);
    const call = callOf(kernel, text, forwardHeaders);
    const reply = await room.around(call, () => upstream(kernel));
    reply.take();
    const { verdict } = call.journal.cache;
    verdicts[verdict] = (verdicts[verdict] ?? 0) + 1;
  };
  const load = async (from, count) => {
    let i = from;
    const lane = async () => {
      while (i < from + count) await send(i++);
    };
    await Promise.all(Array.from({ length: LANES }, lane));
  };

  await deferred.drain(10_000);
  await load(0, WARM_CALLS);
  await deferred.drain(10_000);
  for (const verdict of Object.keys(verdicts)) delete verdicts[verdict];
  const calls = Number(args.calls);
  const [process0, thread0] = [process.cpuUsage(), process.threadCpuUsage()];
  await load(100_000, calls);
  await deferred.drain(10_000);
  const micros = ({ user, system }) => Math.round((user + system) / calls);
  const cpuMicros = micros(process.cpuUsage(process0));
  const mainThreadMicros = micros(process.threadCpuUsage(thread0));
  await app.close();
  rmSync(dir, { recursive: true, force: true });
  console.log(JSON.stringify({ cpuMicros, mainThreadMicros, ...verdicts }));
}

/** What says that no other worker process is there, where the build knows of such. */
async function alone() {
  const file = join(root, 'dist/libs/cluster/src/index.js');
  if (!existsSync(file)) return [];
  const { MachineLink, SoleProcess } = await import(pathToFileURL(file).href);
  return [[MachineLink, new SoleProcess()]];
}

function configIn({ configFromObjects }, dir) {
  return configFromObjects({
    sluice: {
      providers: [{ id: 'p', kind: 'sandbox' }],
      models: [{ id: 'small', provider: 'p', price: { input: 1, output: 1 } }],
    },
    env: { SLUICE_KEY_PEPPER: 'pepper', SLUICE_DATA_DIR: dir },
  });
}

function callOf({ ChatCall }, text, forwardHeaders) {
  return new ChatCall({
    id: randomUUID(),
    caller: { tenant: 'acme', id: 'ann', kind: 'key', tier: 'standard', scopes: [] },
    dialect: 'openai-chat',
    model: 'small',
    stream: false,
    body: { model: 'small', messages: [{ role: 'user', content: text }], max_tokens: 256 },
    signal: new AbortController().signal,
    parse: () => ({ messages: [{ role: 'user', parts: [{ type: 'text', text }] }] }),
    forwardHeaders,
  });
}

async function upstream({ ChatReply, usage }) {
  await new Promise((done) => setImmediate(done));
  const text = 'The answer is forty-two. '.repeat(8);
  const tokens = usage({ input: 20, output: 32 });
  const message = {
    id: 'chatcmpl-bench',
    model: 'bench',
    created: 1_750_000_000,
    choices: [{ index: 0, parts: [{ type: 'text', text }], finish: 'stop' }],
    usage: tokens,
  };
  const body = {
    id: message.id,
    object: 'chat.completion',
    created: message.created,
    model: message.model,
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: text, refusal: null },
        logprobs: null,
        finish_reason: 'stop',
      },
    ],
    usage: { prompt_tokens: 20, completion_tokens: 32, total_tokens: 52 },
  };
  return ChatReply.message(message, {
    bill: { usage: tokens, costMicroUsd: 12 },
    wire: { dialect: 'openai-chat', json: JSON.stringify(body), body },
  });
}
