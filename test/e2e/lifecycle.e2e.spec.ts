import { afterEach, describe, expect, it } from '@jest/globals';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { startGateway, upstreamConfig, type GatewayProcess } from '../gateway/gateway-process.js';
import { ScriptedUpstream } from '../upstream/scripted-upstream.js';

const opened: { stop(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const it of opened.splice(0).reverse()) await it.stop();
});

async function upstreamAndGateway(env: Record<string, string> = {}) {
  const upstream = await ScriptedUpstream.start();
  opened.push({ stop: () => upstream.close() });
  const gateway = await startGateway({ config: upstreamConfig(upstream.url), env });
  opened.push(gateway);
  return { upstream, gateway };
}

const body = (n: number): string =>
  JSON.stringify({
    model: 'gpt-test',
    stream: true,
    messages: [{ role: 'user', content: `tell me story number ${n}` }],
  });

function openStream(gateway: GatewayProcess, n: number) {
  const received = { text: '' };
  let response: IncomingMessage | undefined;
  const request = httpRequest(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
  });
  const started = new Promise<void>((resolve, reject) => {
    request.on('response', (answer) => {
      response = answer;
      answer.on('data', (data: Buffer) => {
        received.text += data.toString();
        resolve();
      });
    });
    request.on('error', reject);
  });
  started.catch(() => undefined);
  const ended = new Promise<void>((resolve) => request.on('close', () => resolve()));
  request.end(body(n));
  return {
    received,
    started,
    ended,
    leave: () => request.destroy(),
    status: () => response?.statusCode,
  };
}

const frame = (text: string): object => ({
  id: 'chatcmpl-1',
  object: 'chat.completion.chunk',
  created: 1,
  model: 'gpt-test',
  choices: [{ index: 0, delta: { content: text }, finish_reason: null }],
});
const endless = { sse: Array.from({ length: 2000 }, (_, i) => frame(`w${i} `)), frameDelayMs: 50 };

describe('the life of the process', () => {
  it('closes the upstream within 100 ms when the client leaves, and settles with status 499', async () => {
    const { upstream, gateway } = await upstreamAndGateway();
    upstream.always(endless);
    const stream = openStream(gateway, 1);
    await stream.started;
    const left = performance.now();
    stream.leave();
    const [seen] = upstream.requests;
    const closedAt = await seen!.closed;
    expect(closedAt - left).toBeLessThan(100);
    expect(seen!.aborted).toBe(true);
    for (let i = 0; i < 100 && !gateway.output().includes('"status":499'); i++) await sleep(20);
    expect(gateway.output()).toContain('"status":499');
  });

  it('cuts no stream on SIGTERM without an error event', async () => {
    const { upstream, gateway } = await upstreamAndGateway({ SHUTDOWN_TIMEOUT_MS: '4000' });
    upstream.always(endless);
    const streams = Array.from({ length: 50 }, (_, i) => openStream(gateway, i));
    await Promise.all(streams.map((s) => s.started));
    gateway.signal('SIGTERM');
    await Promise.all(streams.map((s) => s.ended));
    expect(await gateway.exited).toBe(0);
    for (const stream of streams) {
      expect(stream.received.text).toContain('data: {"error"');
      expect(stream.received.text).not.toContain('[DONE]');
    }
  });

  it('lets a short stream finish during shutdown, and refuses readiness meanwhile', async () => {
    const { upstream, gateway } = await upstreamAndGateway({ SHUTDOWN_DELAY_MS: '500' });
    upstream.always({
      sse: Array.from({ length: 12 }, (_, i) => frame(`w${i} `)),
      frameDelayMs: 80,
    });
    const stream = openStream(gateway, 1);
    await stream.started;
    gateway.signal('SIGTERM');
    await sleep(100);
    expect((await fetch(`${gateway.url}/health/ready`)).status).toBe(503);
    await stream.ended;
    expect(stream.received.text).toContain('[DONE]');
    expect(await gateway.exited).toBe(0);
  });

  it('starts again after kill -9 with everything that it stored', async () => {
    const first = await startGateway();
    const key = await first.createKey('paid');
    await first.kill();
    const second = await startGateway({ dir: first.dir });
    opened.push(second);
    const response = await fetch(`${second.url}/v1/models`, {
      headers: { authorization: `Bearer ${key}` },
    });
    expect(response.status).toBe(200);
  });

  it('stops with every problem listed when the configuration is wrong', async () => {
    const ended = await startGateway({
      config: 'models:\n  - { id: a, provider: nowhere }\nrouting: { defualt: auto }\n',
      env: { PORT: 'many' },
    }).catch(String);
    expect(ended).toMatch(/environment: PORT: found "many"; expected/);
    expect(ended).toMatch(/sluice\.yaml:2: models\[0\]\.provider: found "nowhere"/);
    expect(ended).toMatch(/sluice\.yaml:3: routing\.defualt: unknown key \(did you mean "default"/);
  });

  it('says in one sentence why it cannot start, and takes nothing from whoever is in its way', async () => {
    const first = await startGateway();
    opened.push(first);
    const ended = await startGateway({ dir: first.dir }).catch(String);
    expect(ended).toMatch(/Sluice cannot start: The data directory \S+ is in use by the Sluice/);
    expect(ended).not.toMatch(/\n\s+at /);
    expect((await fetch(`${first.url}/health/ready`)).status).toBe(200);
  });
});
