import { describe, expect, it } from '@jest/globals';
import { Global, Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { ConfigStore } from '@sluice/config';
import { Logger, SilentLogger } from '@sluice/observability';
import { LuaScript } from './lua-script.js';
import { DisabledRedisConnection, RedisConnection, RedisUnavailable } from './redis.connection.js';
import { RedisModule } from './redis.module.js';

async function bound(url: string | undefined): Promise<RedisConnection> {
  @Global()
  @Module({
    providers: [
      { provide: ConfigStore, useValue: { env: { REDIS_URL: url } } },
      { provide: Logger, useClass: SilentLogger },
    ],
    exports: [ConfigStore, Logger],
  })
  class World {}
  const module = await Test.createTestingModule({ imports: [World, RedisModule] }).compile();
  return module.get(RedisConnection);
}

describe('the Redis module', () => {
  it('binds a disabled connection that refuses everything when no URL is set', async () => {
    const echo = LuaScript.load(import.meta.dirname, '../testing/echo.lua');
    const redis = await bound(undefined);
    expect(redis).toBeInstanceOf(DisabledRedisConnection);
    expect([redis.enabled, redis.available]).toEqual([false, false]);
    await expect(redis.command(['PING'])).rejects.toThrow(RedisUnavailable);
    await expect(redis.commandBuffer(['PING'])).rejects.toThrow(RedisUnavailable);
    await expect(redis.script(echo, [], [])).rejects.toThrow(RedisUnavailable);
    await expect(redis.scriptBuffer(echo, [], [])).rejects.toThrow(RedisUnavailable);
    redis.subscribe('c', () => undefined)();
    redis.onRecovery(() => undefined)();
    await redis.close();
  });

  it('starts although the configured Redis is not there', async () => {
    const redis = await bound('redis://127.0.0.1:1');
    expect([redis.enabled, redis.available]).toEqual([true, false]);
    await redis.close();
  });

  it('refuses a Lua file without a contract header', () => {
    expect(() => LuaScript.load(import.meta.dirname, 'index.ts')).toThrow('contract header');
  });
});
