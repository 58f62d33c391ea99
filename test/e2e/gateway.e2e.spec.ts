import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';
import { setImmediate } from 'node:timers/promises';
import { SANDBOX_CONFIG, startGateway, type GatewayProcess } from '../gateway/gateway-process.js';

let gateway: GatewayProcess;

beforeAll(async () => {
  gateway = await startGateway({ env: { OPENAI_API_KEY: 'sk-canary-4f1b2c' } });
});
afterAll(async () => {
  await gateway.stop();
});

const chat = (body: object, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
const ask = (text: string, extra: object = {}): object => ({
  model: 'sandbox-small',
  messages: [{ role: 'user', content: text }],
  ...extra,
});

describe('the gateway out of the box', () => {
  it('answers a chat completion with usage and with headers that tell how', async () => {
    const response = await chat(ask('What is a sluice?'));
    const json = (await response.json()) as Record<string, any>;
    expect(response.status).toBe(200);
    expect(json).toMatchObject({
      object: 'chat.completion',
      model: 'sandbox-small',
      choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant' } }],
    });
    expect(json.usage.total_tokens).toBe(json.usage.prompt_tokens + json.usage.completion_tokens);
    const headers = Object.fromEntries(response.headers);
    expect(headers).toMatchObject({
      'x-sluice-cache': 'miss',
      'x-sluice-model': 'sandbox-small',
      'x-sluice-provider': 'sandbox',
      'x-sluice-config': '1',
      'x-content-type-options': 'nosniff',
    });
    expect(headers['x-request-id']).toBe(headers['request-id']);
    expect(Number(headers['x-sluice-cost-usd'])).toBeGreaterThan(0);
    expect(Number(headers['x-sluice-overhead-ms'])).toBeGreaterThanOrEqual(0);
  });

  it('serves the same question again from the cache, for nothing', async () => {
    const body = ask('Which rivers have sluices?');
    const first = await chat(body);
    const again = await chat(body);
    expect(first.headers.get('x-sluice-cache')).toBe('miss');
    expect(again.headers.get('x-sluice-cache')).toBe('hit');
    expect(Number(again.headers.get('x-sluice-cost-usd'))).toBe(0);
    expect(again.headers.get('age')).toMatch(/^\d+$/);
    expect(await again.json()).toEqual(await first.json());
  });

  it('streams server-sent events that end with [DONE]', async () => {
    const response = await chat(ask('Count to five.', { stream: true }));
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(response.headers.get('cache-control')).toBe('no-cache');
    expect(response.headers.get('x-accel-buffering')).toBe('no');
    const text = await response.text();
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
    expect(text).not.toContain('"usage"');
  });

  it('adds the usage event, with the gateway’s own facts when they are asked for', async () => {
    const response = await chat(
      ask('Count to six.', { stream: true, stream_options: { include_usage: true } }),
      { 'x-sluice-usage': 'true' },
    );
    const frames = (await response.text()).split('\n\n').filter((f) => f.startsWith('data: {'));
    const last = JSON.parse(frames.at(-1)!.slice(6)) as Record<string, any>;
    expect(last.choices).toEqual([]);
    expect(last.usage.total_tokens).toBeGreaterThan(0);
    expect(last.sluice.cost_usd).toBeGreaterThan(0);
    expect(last.sluice.provider).toBe('sandbox');
  });

  it('takes plain curl -d on /chat and lets the router choose', async () => {
    const response = await fetch(`${gateway.url}/chat`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: JSON.stringify({ messages: [{ role: 'user', content: 'What is TCP?' }] }),
    });
    const json = (await response.json()) as Record<string, any>;
    expect(response.status).toBe(200);
    expect(Object.keys(json).toSorted()).toEqual(
      ['cache', 'content', 'cost_usd', 'id', 'model', 'provider', 'usage'].toSorted(),
    );
    expect(json.model).toBe('sandbox-small');
    expect(response.headers.get('x-sluice-grade')).toBe('simple');
  });

  it('lists the models of this caller, in both dialects', async () => {
    const list = (await (await fetch(`${gateway.url}/v1/models`)).json()) as Record<string, any>;
    const ids = list.data.map((m: { id: string }) => m.id);
    expect(ids).toEqual(expect.arrayContaining(['auto', 'sandbox-small', 'sandbox-large']));
    const one = await fetch(`${gateway.url}/v1/models/sandbox-small`);
    expect(await one.json()).toMatchObject({ id: 'sandbox-small', object: 'model' });
    expect((await fetch(`${gateway.url}/v1/models/none`)).status).toBe(404);
    const anthropic = await fetch(`${gateway.url}/v1/models?limit=1000`, {
      headers: { 'anthropic-version': '2023-06-01' },
    });
    expect(await anthropic.json()).toMatchObject({
      has_more: false,
      data: [{ type: 'model' }, {}, {}, {}, {}],
    });
  });

  it('tells its health, also to nobody in particular', async () => {
    for (const path of ['/health', '/health/live', '/health/ready']) {
      const response = await fetch(gateway.url + path);
      expect([path, response.status]).toEqual([path, 200]);
      expect(await response.json()).toMatchObject({ status: 'ok' });
    }
    const health = (await (await fetch(`${gateway.url}/health`)).json()) as Record<string, any>;
    expect(Object.keys(health.details)).toEqual(
      expect.arrayContaining(['database', 'disk', 'event_loop', 'config']),
    );
  });

  it('exposes its metrics as Prometheus text and as JSON', async () => {
    const text = await (await fetch(`${gateway.url}/metrics`)).text();
    for (const name of [
      'sluice_request_duration_seconds_bucket',
      'sluice_overhead_seconds_bucket',
      'sluice_time_to_first_token_seconds_bucket',
      'sluice_provider_latency_seconds_bucket',
      'sluice_provider_tokens_total',
      'sluice_cache_hits_total',
      'sluice_cost_usd_total',
      'sluice_config_version',
      'process_cpu_seconds_total',
      'nodejs_eventloop_lag_seconds',
    ]) {
      expect(text).toContain(name);
    }
    const json = (await (await fetch(`${gateway.url}/debug/metrics`)).json()) as { name: string }[];
    expect(json.some((m) => m.name === 'sluice_request_duration_seconds')).toBe(true);
  });

  it('serves Swagger UI and an OpenAPI document', async () => {
    expect(await (await fetch(`${gateway.url}/docs`)).text()).toContain('swagger-ui');
    const document = (await (await fetch(`${gateway.url}/docs-json`)).json()) as Record<
      string,
      any
    >;
    expect(document.openapi).toMatch(/^3\.1/);
    expect(document.paths['/v1/chat/completions'].post.requestBody).toBeDefined();
  });

  it('compresses large JSON answers, never streams', async () => {
    const long = ask('Write much.', { max_tokens: 2000 });
    (long as any).messages[0].content += ' [[sandbox tokens=1500]]';
    const response = await chat(long, { 'accept-encoding': 'gzip' });
    expect(response.headers.get('content-encoding')).toBe('gzip');
    await response.json();
    const stream = await chat({ ...long, stream: true }, { 'accept-encoding': 'gzip' });
    expect(stream.headers.get('content-encoding')).toBeNull();
    await stream.text();
  });

  it('keeps connections open for the next call', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ports: number[] = [];
    let advice = '';
    for (let i = 0; i < 3; i++) {
      const request = get(`${gateway.url}/health/live`, { agent });
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      ports.push(request.socket?.localPort ?? 0);
      advice = String(response.headers['keep-alive']);
      response.resume();
      await once(response, 'end');
      // The agent takes the socket back in the next turn.
      await setImmediate();
    }
    agent.destroy();
    expect(new Set(ports).size).toBe(1);
    expect(advice).toBe('timeout=72');
  });

  it('allows no other origin unless it is told to', async () => {
    const response = await fetch(`${gateway.url}/v1/models`, {
      headers: { origin: 'https://app.example' },
    });
    expect(response.headers.get('access-control-allow-origin')).toBeNull();
  });

  it('writes logs as JSON lines and no secret into them', async () => {
    await chat(ask('hello'), { authorization: `Bearer ${gateway.adminKey}` });
    const lines = gateway
      .output()
      .split('\n')
      .filter((l) => l.startsWith('{'));
    const records = lines.map((l) => JSON.parse(l) as Record<string, any>);
    // A field of a message that is called "level" too would win over the line's own.
    const levels = new Set(records.map((l) => l.level));
    expect(['debug', 'info', 'warn', 'error']).toEqual(expect.arrayContaining([...levels]));
    const access = records.filter((l) => l.msg === 'request');
    const answered = access.find((l) => l.status === 200 && l.model === 'sandbox-small');
    expect(answered).toMatchObject({
      requestId: expect.any(String),
      caller: expect.any(String),
      durationMs: expect.any(Number),
      overheadMs: expect.any(Number),
    });
    expect(answered?.overheadMs).toBeLessThanOrEqual(answered?.durationMs);
    expect(gateway.output()).toContain('Model selected: sandbox-small');
    expect(gateway.output()).not.toContain(gateway.adminKey);
    expect(gateway.output()).not.toContain('sk-canary-4f1b2c');
  });

  it('reloads its configuration by request and keeps the old one when the new one is bad', async () => {
    const reload = (): Promise<Response> =>
      fetch(`${gateway.url}/v1/admin/config/reload`, {
        method: 'POST',
        headers: { authorization: `Bearer ${gateway.adminKey}` },
      });
    expect((await reload()).status).toBe(200);
    const { writeFile, readFile } = await import('node:fs/promises');
    const file = `${gateway.dir}/sluice.yaml`;
    const good = await readFile(file, 'utf8');
    await writeFile(file, 'modles: []\n');
    const refused = await reload();
    expect(refused.status).toBe(400);
    expect(await refused.text()).toContain('models');
    expect((await chat(ask('still here?'))).status).toBe(200);
    await writeFile(file, good);
    expect((await reload()).status).toBe(200);
  });
});

describe('a gateway that browsers of one origin may call', () => {
  let open: GatewayProcess;
  beforeAll(async () => {
    open = await startGateway({
      config: `${SANDBOX_CONFIG}\ncors: { origins: ["https://app.example"] }\n`,
    });
  });
  afterAll(async () => {
    await open.stop();
  });

  it('answers the preflight of that origin and shows it the headers that tell how', async () => {
    const origin = { origin: 'https://app.example' };
    const preflight = await fetch(`${open.url}/v1/chat/completions`, {
      method: 'OPTIONS',
      headers: {
        ...origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization, content-type',
      },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-origin')).toBe('https://app.example');
    expect(preflight.headers.get('access-control-allow-headers')).toContain('authorization');
    const answer = await fetch(`${open.url}/v1/models`, { headers: origin });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('access-control-allow-origin')).toBe('https://app.example');
    const exposed = answer.headers.get('access-control-expose-headers');
    for (const name of [
      'x-sluice-cost-usd',
      'x-ratelimit-remaining-tokens',
      'anthropic-ratelimit-requests-remaining',
      'anthropic-ratelimit-tokens-reset',
    ]) {
      expect(exposed).toContain(name);
    }
  });

  it('shows nothing to another origin', async () => {
    const answer = await fetch(`${open.url}/v1/models`, {
      headers: { origin: 'https://other.example' },
    });
    expect(answer.headers.get('access-control-allow-origin')).not.toBe('https://other.example');
    expect(answer.headers.get('access-control-allow-origin')).not.toBe('*');
  });
});
