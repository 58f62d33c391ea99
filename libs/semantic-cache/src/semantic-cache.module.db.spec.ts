import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ask, LOCK, wish } from '../testing/cache-calls.js';
import { startCache, type CacheModuleOptions } from '../testing/cache-module.js';

const folder = mkdtempSync(join(tmpdir(), 'cache-module-'));
afterAll(() => rm(folder, { recursive: true }));
const running: Awaited<ReturnType<typeof startCache>>[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((cache) => cache.stop()));
});

const newFolder = () => join(folder, randomUUID());
async function start(dataDir = newFolder(), options?: CacheModuleOptions) {
  const cache = await startCache(dataDir, options);
  running.push(cache);
  return cache;
}
async function stop(cache: Awaited<ReturnType<typeof startCache>>): Promise<void> {
  running.splice(running.indexOf(cache), 1);
  await cache.stop();
}

const POLITE = 'Please, what is a deadlock in a database?';
const exactly = wish({ mode: 'exact' });

/** The semantic tier opens in the background. */
async function untilOpen(cache: Awaited<ReturnType<typeof startCache>>): Promise<void> {
  for (;;) {
    const { semantic } = (await cache.admin.stats()) as { semantic: { state: string } };
    if (semantic.state === 'open') return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('the cache on its own files', () => {
  it('has its answers again after a restart, exact and by meaning; who comes before that just misses', async () => {
    const dataDir = newFolder();
    const before = await start(dataDir, { env: { CACHE_ENCRYPTION_KEY: 'ab'.repeat(32) } });
    await untilOpen(before);
    expect((await before.send(ask(LOCK)))?.verdict).toBe('miss');
    await stop(before);

    const after = await start(dataDir, { env: { CACHE_ENCRYPTION_KEY: 'ab'.repeat(32) } });
    expect((await after.send(ask('Who is first?', exactly)))?.verdict).toBe('miss');
    await after.settle();
    expect(await after.send(ask(LOCK, exactly))).toMatchObject({ verdict: 'hit', tier: 'l2' });
    expect(await after.send(ask(LOCK))).toMatchObject({ verdict: 'hit', tier: 'l1' });
    await untilOpen(after);
    expect(await after.send(ask(POLITE))).toMatchObject({ verdict: 'semantic' });
    expect(after.upstreamCalls()).toBe(1);
    expect(await after.metric('sluice_cache_faults_total')).toBe('');
  });

  it('sets damaged files aside, says so, and goes on', async () => {
    const dataDir = newFolder();
    await stop(await start(dataDir));
    for (const file of ['cache.sqlite', 'cache-vectors.sqlite']) {
      writeFileSync(join(dataDir, file), 'this is no database, but long enough'.repeat(200));
    }
    const cache = await start(dataDir);
    await untilOpen(cache);
    expect((await cache.send(ask(LOCK)))?.verdict).toBe('miss');
    await cache.settle();
    expect(await cache.send(ask(POLITE))).toMatchObject({ verdict: 'semantic' });
    const said = cache.logger.lines.map(({ message }) => message);
    expect(said).toEqual(
      expect.arrayContaining([
        'the cache file is damaged and was set aside',
        'the file of the semantic cache is damaged and was set aside',
      ]),
    );
  });
});

describe('clearing', () => {
  it('keeps away what was asked for before it and answered after it', async () => {
    const cache = await start();
    await untilOpen(cache);
    await cache.send(ask(LOCK), 'old', () => cache.admin.clear({}));
    await cache.settle();
    expect((await cache.send(ask(LOCK), 'new'))?.verdict).toBe('miss');
    await cache.settle();
    expect((await cache.send(ask(LOCK)))?.verdict).toBe('hit');
  });

  it('takes with it what waits to be stored', async () => {
    const cache = await start();
    await untilOpen(cache);
    await cache.send(ask(LOCK));
    await new Promise((resolve) => setImmediate(resolve));
    expect(await cache.admin.clear({})).toEqual({ l1: 1, l2: 0, semantic: 0 });
    await cache.settle();
    expect((await cache.send(ask(LOCK)))?.verdict).toBe('miss');
  });

  it('of one namespace leaves alone what others are asking', async () => {
    const cache = await start();
    await cache.send(ask(LOCK), 'A.', () => cache.admin.clear({ namespace: 'elsewhere' }));
    await cache.settle();
    expect((await cache.send(ask(LOCK)))?.verdict).toBe('hit');
  });
});

describe('flags, while calls run', () => {
  it('response_cache switches every tier off and on', async () => {
    const cache = await start();
    await cache.send(ask(LOCK));
    await cache.settle();
    cache.flags.add('response_cache');
    expect(await cache.send(ask(LOCK))).toEqual({ verdict: 'bypass' });
    cache.flags.delete('response_cache');
    expect((await cache.send(ask(LOCK)))?.verdict).toBe('hit');
  });

  it('semantic_cache leaves the exact tiers alone', async () => {
    const cache = await start();
    await untilOpen(cache);
    await cache.send(ask(LOCK));
    await cache.settle();
    cache.flags.add('semantic_cache');
    expect((await cache.send(ask(POLITE), 'B.'))?.verdict).toBe('miss');
    expect((await cache.send(ask(LOCK)))?.verdict).toBe('hit');
  });
});
