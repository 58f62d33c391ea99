import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { SilentLogger } from '@sluice/observability';
import { LiveRedisConnection, startTestRedis, type TestRedis } from '@sluice/redis';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { SecondTier } from '../exact/second-tier.js';
import { ValueCodec } from '../exact/value-codec.js';
import { RedisKeyvStore } from './redis-keyv.store.js';

let redis: TestRedis;
let house: LiveRedisConnection;
let store: RedisKeyvStore;
beforeAll(async () => {
  redis = await startTestRedis();
  house = new LiveRedisConnection({ url: redis.url }, new SilentLogger());
  await untilUp(house);
  store = new RedisKeyvStore(redis.url, house);
  await store.open();
});
afterAll(async () => {
  redis.thaw();
  await store.disconnect();
  await house.close();
  await redis.stop();
});
beforeEach(() => house.command(['FLUSHALL']));

async function untilUp(connection: LiveRedisConnection): Promise<void> {
  while (!connection.available) await new Promise((resolve) => setTimeout(resolve, 10));
}

describe('the Redis store', () => {
  it('sets, gets and deletes', async () => {
    await store.set('k', 'value');
    expect(await store.get('k')).toBe('value');
    expect(await store.delete('k')).toBe(true);
    expect(await store.get('k')).toBeUndefined();
  });

  it('leaves the time of an entry to Redis, rounded up to whole milliseconds', async () => {
    await store.set('k', 'value', 5000.4);
    const left = await house.command<number>(['PTTL', 'sluice:cache:k']);
    expect(left).toBeGreaterThan(4000);
    expect(left).toBeLessThanOrEqual(5001);
    expect(await store.sweep()).toBe(0);
  });

  it('clears by pattern over many keys, and touches no key of others', async () => {
    for (let i = 0; i < 1200; i++) {
      void store.set(`${i % 2 === 0 ? 'acme' : 'other'}:${i}`, 'v', 60_000);
    }
    await store.set('last', 'v');
    await house.command(['SET', 'sluice:rate:acme:1', '1']);
    expect((await store.stats()).entries).toBe(1201);
    expect(await store.clearMatching('^acme:')).toBe(600);
    expect(await store.clearMatching(undefined)).toBe(601);
    expect(await house.command(['KEYS', '*'])).toEqual(['sluice:rate:acme:1']);
    const { entries, bytes } = await store.stats();
    expect(entries).toBe(0);
    expect(bytes).toBeGreaterThan(0);
  });
});

describe('the second tier on Redis', () => {
  const tier = (of = store) => {
    const faults: unknown[] = [];
    return {
      second: new SecondTier(
        of,
        (error) => faults.push(error),
        new ValueCodec(undefined),
        () => 1024,
      ),
      faults,
    };
  };

  it('gives back what was stored, word for word', async () => {
    const { second, faults } = tier();
    const value = `p1a2b3c4:{"quote":"\\"|é ${'x'.repeat(5000)}"}`;
    await second.set([{ key: 'k', text: value, ttlMs: 60_000 }]);
    expect(await second.get('k', 500)).toBe(value);
    expect(await house.command(['KEYS', '*'])).toEqual(['sluice:cache:k']);
    expect((await store.stats()).entries).toBe(1);
    expect(await store.clearMatching('^k$')).toBe(1);
    expect(await second.get('k', 500)).toBeUndefined();
    await second.set([{ key: 'k', text: value, ttlMs: 60_000 }]);
    await second.delete('k');
    expect(await second.get('k', 500)).toBeUndefined();
    expect(faults).toEqual([]);
  });

  it('survives what somebody else wrote under its keys', async () => {
    await house.command(['SET', 'sluice:cache:k', 'rubbish']);
    await house.command(['LPUSH', 'sluice:cache:list', 'x']);
    const { second } = tier();
    expect(await second.get('k', 500)).not.toBe('value');
    expect(await second.get('list', 500)).toBeUndefined();
  });

  it('misses within its time while Redis is frozen, and hits when it has thawed', async () => {
    const { second, faults } = tier();
    await second.set([{ key: 'k', text: 'value', ttlMs: 60_000 }]);
    redis.freeze();
    try {
      const started = performance.now();
      expect(await second.get('k', 50)).toBeUndefined();
      expect(performance.now() - started).toBeLessThan(2_000);
      expect(faults).toHaveLength(1);
      // It rests: the next caller does not ask at all.
      expect(await second.get('k', 50)).toBeUndefined();
      expect(faults).toHaveLength(1);
    } finally {
      redis.thaw();
    }
    const { second: fresh } = tier();
    await untilUp(house);
    while ((await fresh.get('k', 500)) === undefined) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  });

  it('misses at once while Redis is gone, and hits again when it is back', async () => {
    await redis.kill();
    await house.command(['PING']).catch(() => undefined);
    const { second, faults } = tier();
    const started = performance.now();
    expect(await second.get('k', 50)).toBeUndefined();
    await second.set([{ key: 'k', text: 'value', ttlMs: 1000 }]);
    expect(performance.now() - started).toBeLessThan(2_000);
    expect(faults.length).toBeGreaterThan(0);

    await redis.restart();
    await untilUp(house);
    for (;;) {
      const { second: fresh, faults: none } = tier();
      await fresh.set([{ key: 'k', text: 'value', ttlMs: 60_000 }]);
      if (none.length === 0 && (await fresh.get('k', 500)) === 'value') break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  });

  it.each<[string, string | undefined]>([
    ['says nothing', undefined],
    ['speaks rubbish', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
  ])('misses within its time when the server %s', async (_name, answer) => {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      if (answer !== undefined) socket.on('data', () => socket.write(answer));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `redis://127.0.0.1:${(server.address() as AddressInfo).port}`;
    // The connection of the house is fine, so that the look-up is really tried.
    const bad = new RedisKeyvStore(url, house);
    const { second, faults } = tier(bad);
    const started = performance.now();
    expect(await second.get('k', 50)).toBeUndefined();
    expect(performance.now() - started).toBeLessThan(2_000);
    expect(faults).toHaveLength(1);
    await second.close();
    for (const socket of sockets) socket.destroy();
    server.close();
  });
});
