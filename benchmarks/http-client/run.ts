// CPU of one upstream call: bare undici, our client, and the whole attempt engine. usage: run.ts [--calls 20000]
import { fork } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Pool } from 'undici';
import { HttpClient } from '@sluice/http-client';
import { chatCall, engineBench } from '../../libs/providers/testing/engine.bench.js';

const { values } = parseArgs({ options: { calls: { type: 'string', default: '20000' } } });
const calls = Number(values.calls);
const CONCURRENCY = 16;
const ROUNDS = 3;

const upstream = fork(new URL('./upstream.mjs', import.meta.url));
const port = await new Promise<number>((resolve) =>
  upstream.once('message', (p) => resolve(Number(p))),
);
const origin = `http://127.0.0.1:${port}`;
const messages = [{ role: 'user', content: 'Say a few words, please.' }];
const plain = { model: 'fast', messages };
const streaming = { ...plain, stream: true };

const pool = new Pool(origin, { connections: 256 });
const client = new HttpClient();
const bench = engineBench({
  providers: [{ id: 'p', kind: 'openai', auth: 'none', baseUrl: `${origin}/v1` }],
  models: [{ id: 'fast', provider: 'p', price: { input: 1, output: 1 } }],
});
const target = bench.target('fast');
const headers = { 'content-type': 'application/json' };
const path = '/v1/chat/completions';

const subjects: Record<string, () => Promise<void>> = {
  'undici, JSON': async () => {
    const { body } = await pool.request({
      path,
      method: 'POST',
      headers,
      body: JSON.stringify(plain),
    });
    JSON.parse(await body.text());
  },
  'client, JSON': async () => {
    const response = await client.post({ origin, path, body: JSON.stringify(plain) });
    JSON.parse(await response.text());
  },
  'engine, JSON': async () => {
    const reply = await bench.runner.run(chatCall({ body: plain }), [target]);
    reply.take();
  },
  'undici, stream of 50 as bytes': async () => {
    const { body } = await pool.request({
      path,
      method: 'POST',
      headers,
      body: JSON.stringify(streaming),
    });
    for await (const _ of body);
  },
  'client, stream of 50 as events': async () => {
    const response = await client.post({
      origin,
      path,
      plain: true,
      body: JSON.stringify(streaming),
    });
    for await (const _ of response.events());
  },
  'engine, stream of 50 as chunks': async () => {
    const reply = await bench.runner.run(chatCall({ body: streaming, stream: true }), [target]);
    for await (const _ of reply.chunks());
  },
};

async function microsPerCall(subject: () => Promise<void>, count: number): Promise<number> {
  let left = count;
  const before = process.cpuUsage();
  const lane = async (): Promise<void> => {
    while (left-- > 0) await subject();
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, lane));
  const { user, system } = process.cpuUsage(before);
  return (user + system) / count;
}

const best: Record<string, number> = {};
for (let round = 0; round <= ROUNDS; round++) {
  for (const [name, subject] of Object.entries(subjects)) {
    const share = name.includes('stream') ? 4 : 1;
    const micros = await microsPerCall(subject, Math.ceil(calls / share / (round === 0 ? 4 : 1)));
    // The first round warms up; of the others the best counts, because the machine is shared.
    if (round > 0) best[name] = Math.min(best[name] ?? Infinity, micros);
  }
}
const table = Object.fromEntries(
  Object.entries(best).map(([name, micros]) => [name, Math.round(micros)]),
);
console.table(table);
mkdirSync(new URL('../results/', import.meta.url), { recursive: true });
writeFileSync(
  new URL('../results/http-client.json', import.meta.url),
  `${JSON.stringify({ at: new Date().toISOString(), node: process.version, calls, cpuMicrosPerCall: table }, null, 2)}\n`,
);
upstream.kill();
await Promise.all([pool.destroy(), client.destroy(), bench.close()]);
