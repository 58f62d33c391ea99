import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { startTestRedis, type TestRedis } from '../../libs/redis/testing/test-redis.js';
import { FakeQdrant } from '../../libs/semantic-cache/testing/fake-qdrant.js';
import { SANDBOX_CONFIG, startGateway, type GatewayProcess } from '../gateway/gateway-process.js';

jest.setTimeout(120_000);

const RESERVED = `
  - { id: sandbox-reserved, provider: sandbox, price: { input: 3, output: 15 }, contextTokens: 8192, tiers: [admin] }
`;

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (Date.now() < deadline) {
    if (await holds()) return;
    await sleep(20);
  }
  throw new Error('what was waited for did not happen within 60 s');
}

interface Answer {
  readonly status: number;
  readonly cache: string | null;
  readonly id: string;
  readonly body: { readonly error?: { readonly param: string }; readonly evicted?: number };
}

class Client {
  constructor(
    readonly gateway: GatewayProcess,
    private readonly key: string,
  ) {}

  async post(path: string, body: object, headers: Record<string, string> = {}): Promise<Answer> {
    const response = await fetch(`${this.gateway.url}${path}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${this.key}`,
        ...headers,
      },
      body: JSON.stringify(body),
    });
    return {
      status: response.status,
      cache: response.headers.get('x-sluice-cache'),
      id: response.headers.get('x-request-id') ?? '',
      body: (await response.json()) as Answer['body'],
    };
  }

  ask(content: string, more: { model?: string; headers?: Record<string, string> } = {}) {
    const { model = 'sandbox-small', headers } = more;
    return this.post(
      '/v1/chat/completions',
      { model, messages: [{ role: 'user', content }] },
      headers,
    );
  }

  embed(headers?: Record<string, string>): Promise<Answer> {
    return this.post('/v1/embeddings', { model: 'sandbox-embedding', input: 'a text' }, headers);
  }

  async metric(pattern: RegExp): Promise<number> {
    const response = await fetch(`${this.gateway.url}/metrics`);
    return Number(pattern.exec(await response.text())?.[1] ?? 0);
  }
}

describe('the cache of a gateway with Redis and Qdrant', () => {
  let redis: TestRedis;
  const qdrant = new FakeQdrant();
  let gateway: GatewayProcess;
  let admin: Client;

  beforeAll(async () => {
    redis = await startTestRedis();
    gateway = await startGateway({
      config: SANDBOX_CONFIG + RESERVED,
      env: { REDIS_URL: redis.url, QDRANT_URL: await qdrant.start() },
    });
    admin = new Client(gateway, gateway.adminKey);
  });
  afterAll(async () => {
    redis.thaw();
    await gateway.stop();
    await Promise.all([redis.stop(), qdrant.stop()]);
  });

  it('answers by meaning what Qdrant found, with requests as its specification has them', async () => {
    await admin.ask('What is a river delta made of?');
    await until(async () => {
      // A miss is not stored under its own words: the next one may hit by meaning only.
      const headers = { 'x-sluice-cache-ttl': '0' };
      const { cache } = await admin.ask('Please, what is a river delta made of', { headers });
      return cache === 'semantic';
    });
    expect(qdrant.faults).toEqual([]);
  });

  it('does not let a call after a clearing join, or store, a run from before it', async () => {
    const slow = 'What is a lagoon? [[sandbox latency=1500ms]]';
    const before = admin.ask(slow);
    await until(async () => (await admin.metric(/sluice_provider_inflight\{[^}]*\} (\d+)/)) > 0);
    expect((await admin.post('/v1/admin/cache/clear', {})).status).toBe(200);
    const after = admin.ask(slow);
    expect((await before).cache).toBe('miss');
    expect((await after).cache).toBe('miss');
    expect((await admin.ask(slow)).cache).toBe('hit');
  });

  it('keeps the answers of a reserved model from other tiers, warmed ones and those of the same owner', async () => {
    const paid = new Client(gateway, await gateway.createKey('paid', { owner: 'zoe' }));
    const zoe = new Client(gateway, await gateway.createKey('admin', { owner: 'zoe' }));
    const reserved = { model: 'sandbox-reserved' };
    expect((await zoe.ask('What is a fjord?', reserved)).status).toBe(200);
    expect((await zoe.ask('What is a fjord?', reserved)).cache).toBe('hit');
    expect((await paid.ask('What is a fjord?', reserved)).status).toBe(404);
    const queries = [{ model: 'sandbox-reserved', prompt: 'What is Sluice?' }];
    await admin.post('/v1/admin/cache/warm', { queries });
    expect((await admin.ask('What is Sluice?', reserved)).cache).toBe('hit');
    expect((await paid.ask('What is Sluice?', reserved)).status).toBe(404);
  });

  it('evicts a warmed answer that somebody called wrong', async () => {
    const queries = [{ model: 'sandbox-small', prompt: 'What is a warm entry?' }];
    await admin.post('/v1/admin/cache/warm', { queries });
    const hit = await admin.ask('What is a warm entry?');
    expect(hit.cache).toBe('hit');
    const wrong = { request_id: hit.id, correct: false };
    expect((await admin.post('/v1/admin/cache/feedback', wrong)).body.evicted).toBe(1);
    expect((await admin.ask('What is a warm entry?')).cache).toBe('miss');
  });

  it('treats embeddings as the caller and the operator want it', async () => {
    const how = async (headers?: Record<string, string>) => (await admin.embed(headers)).cache;
    expect([await how(), await how()]).toEqual(['miss', 'hit']);
    expect(await how({ 'cache-control': 'no-cache' })).toBe('miss');
    expect(await how({ 'x-sluice-cache': 'off' })).toBe('bypass');
    expect((await admin.embed({ 'x-sluice-cache': 'maybe' })).body.error?.param).toBe(
      'x-sluice-cache',
    );
    await admin.post('/v1/admin/cache/clear', {});
    expect(await how()).toBe('miss');
  });

  it.each(['hung', 'rubbish', 'failing'] as const)(
    'answers as a miss, and counts it, while Redis is silent and Qdrant is %s',
    async (mood) => {
      redis.freeze();
      qdrant.mood = mood;
      const faults = /sluice_cache_faults_total\{tier="semantic"\} (\d+)/;
      const before = await admin.metric(faults);
      let n = 0;
      // Once the tier has taken a fault it rests for a second: ask until it was asked.
      await until(async () => {
        const { status, cache } = await admin.ask(`What is mood ${mood} number ${n++}?`);
        expect([status, cache]).toEqual([200, 'miss']);
        return (await admin.metric(faults)) > before;
      });
      expect(await admin.metric(/sluice_cache_faults_total\{tier="l2"\} (\d+)/)).toBeGreaterThan(0);
      qdrant.mood = 'fine';
      redis.thaw();
      const again = `What is mood ${mood} number 0?`;
      expect((await admin.ask(again)).cache).toBe('hit');
    },
  );
});
