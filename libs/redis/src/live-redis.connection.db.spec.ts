import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { once, EventEmitter } from 'node:events';
import { SilentLogger } from '@sluice/observability';
import { startTestRedis, type TestRedis } from '../testing/test-redis.js';
import { LiveRedisConnection } from './live-redis.connection.js';
import { LuaScript } from './lua-script.js';
import { RedisUnavailable } from './redis.connection.js';

let redis: TestRedis;
const open: LiveRedisConnection[] = [];

function connection(options: { staleAfterMs?: number } = {}): LiveRedisConnection {
  const made = new LiveRedisConnection({ url: redis.url, ...options }, new SilentLogger());
  open.push(made);
  return made;
}
async function refusals(c: LiveRedisConnection): Promise<number> {
  const stats = await c.command<string>(['INFO', 'commandstats']);
  return Number(/cmdstat_set:.*?rejected_calls=(\d+)/.exec(stats)?.[1] ?? 0);
}
const recovered = (c: LiveRedisConnection) => new Promise<void>((r) => c.onRecovery(r));

beforeAll(async () => {
  redis = await startTestRedis();
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((c) => c.close()));
});
afterAll(async () => {
  await redis.stop();
});

describe('a live Redis connection', () => {
  it('answers commands as text and as bytes', async () => {
    const c = connection();
    expect(await c.ready(2000)).toBe(true);
    expect(await c.ready(2000)).toBe(true);
    const bytes = Buffer.from([0, 255, 1, 128]);
    await c.command(['SET', 'bytes', bytes]);
    expect(await c.commandBuffer(['GET', 'bytes'])).toEqual(bytes);
    expect(await c.command(['STRLEN', 'bytes'])).toBe(4);
  });

  it('passes a server error on and stays available', async () => {
    const c = connection();
    await c.ready(2000);
    await c.command(['SET', 'text', 'x']);
    await expect(c.command(['LPUSH', 'text', 'y'])).rejects.toThrow('WRONGTYPE');
    expect(c.available).toBe(true);
  });

  // By default that is what a full disk or a failover does to a server that goes on answering.
  it.each([
    ['a command', (c: LiveRedisConnection) => c.command(['SET', 'text', 'x'])],
    [
      'a script',
      (c: LiveRedisConnection) =>
        c.script(LuaScript.load(import.meta.dirname, '../testing/write.lua'), ['k'], ['a']),
    ],
  ])('is unavailable while Redis takes no writes, found out by %s', async (_, write) => {
    const c = connection();
    const other = connection();
    await Promise.all([c.ready(2000), other.ready(2000)]);
    await other.command(['CONFIG', 'RESETSTAT']);
    await other.command(['CONFIG', 'SET', 'min-replicas-to-write', '1']);
    try {
      await expect(write(c)).rejects.toThrow(RedisUnavailable);
      // It is asked again and again, but not by callers: they are told at once.
      while ((await refusals(other)) < 4) await new Promise(setImmediate);
      expect(c.available).toBe(false);
    } finally {
      await other.command(['CONFIG', 'SET', 'min-replicas-to-write', '0']);
    }
    await c.ready(2000);
    await write(c);
    expect(c.available).toBe(true);
  });

  it('loads a script on first use and again after the server has forgotten it', async () => {
    const c = connection();
    await c.ready(2000);
    const echo = LuaScript.load(import.meta.dirname, '../testing/echo.lua');
    expect(await c.script(echo, ['k'], ['a'])).toEqual(['k', 'a']);
    await c.command(['SCRIPT', 'FLUSH']);
    expect(await c.script(echo, ['k'], ['b'])).toEqual(['k', 'b']);
    expect(await c.scriptBuffer(echo, ['k'], ['c'])).toEqual([Buffer.from('k'), Buffer.from('c')]);
    await expect(c.script(echo, [], ['b'])).rejects.toThrow('one key');
  });

  it('delivers messages to every listener of a channel', async () => {
    const c = connection();
    await c.ready(2000);
    const heard = new EventEmitter();
    c.subscribe('news', (m) => heard.emit('one', m));
    const leave = c.subscribe('news', (m) => heard.emit('two', m));
    c.subscribe('other', () => undefined);
    const both = Promise.all([once(heard, 'one'), once(heard, 'two')]);
    while ((await c.command<number>(['PUBLISH', 'news', 'hello'])) === 0) {
      await new Promise(setImmediate);
    }
    expect(await both).toEqual([['hello'], ['hello']]);
    leave();
  });

  it('costs a caller of a frozen Redis one timeout, the next ones nothing, and recovers at once', async () => {
    const c = connection();
    await c.ready(2000);
    redis.freeze();
    const started = performance.now();
    await expect(c.command(['PING'])).rejects.toThrow(RedisUnavailable);
    const first = performance.now() - started;
    const again = performance.now();
    for (let i = 0; i < 1000; i++) {
      await expect(c.command(['PING'])).rejects.toThrow(RedisUnavailable);
    }
    const rest = performance.now() - again;
    expect(c.available).toBe(false);
    const back = recovered(c);
    redis.thaw();
    await back;
    expect(await c.command(['PING'])).toBe('PONG');
    expect(first).toBeLessThan(2_000);
    // A thousand timeouts would take 50 s; a thousand refusals take the time of the loop.
    expect(rest).toBeLessThan(10_000);
  });

  it('does not take its own pause for a silence of Redis', async () => {
    const c = connection();
    await c.ready(2000);
    const answer = c.command(['PING']);
    await new Promise(setImmediate);
    const until = performance.now() + 120;
    while (performance.now() < until);
    expect(await answer).toBe('PONG');
  });

  it('reconnects and hears its channels again after the server was killed', async () => {
    const c = connection();
    await c.ready(2000);
    const heard = new EventEmitter();
    c.subscribe('again', (m) => heard.emit('message', m));
    while ((await c.command<number>(['PUBLISH', 'again', 'x'])) === 0)
      await new Promise(setImmediate);
    await redis.kill();
    await expect(c.command(['PING'])).rejects.toThrow(RedisUnavailable);
    const back = recovered(c);
    await redis.restart();
    await back;
    const message = once(heard, 'message');
    while ((await c.command<number>(['PUBLISH', 'again', 'y'])) === 0)
      await new Promise(setImmediate);
    expect(await message).toEqual(['y']);
  });

  it('throws a socket away that has been silent for long', async () => {
    const c = connection({ staleAfterMs: 100 });
    await c.ready(2000);
    redis.freeze();
    await expect(c.command(['PING'])).rejects.toThrow(RedisUnavailable);
    await new Promise((resolve) => setTimeout(resolve, 150));
    const back = recovered(c);
    redis.thaw();
    await back;
    expect(await c.command(['PING'])).toBe('PONG');
  });

  it('is not ready where no server listens, and does not throw', async () => {
    const c = new LiveRedisConnection({ url: 'redis://127.0.0.1:1' }, new SilentLogger());
    expect(await c.ready(100)).toBe(false);
    await expect(c.command(['PING'])).rejects.toThrow(RedisUnavailable);
    await c.close();
  });
});
