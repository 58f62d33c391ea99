import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import { ManualClock } from '@sluice/kernel';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RecordingLogger } from '../../testing/logs.js';
import { writeUntilKilled } from '../../testing/killed-writer.js';
import { SqliteKeyvStore, type SqliteStoreOptions } from './sqlite-keyv.store.js';

const folder = mkdtempSync(join(tmpdir(), 'answers-'));
afterAll(() => rm(folder, { recursive: true }));
const open: SqliteKeyvStore[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((store) => store.disconnect()));
});

const newPath = () => join(folder, randomUUID(), 'cache.sqlite');
function storeAt(path: string, changes: Partial<SqliteStoreOptions> = {}): SqliteKeyvStore {
  const store = new SqliteKeyvStore({
    path,
    maxBytes: () => 1e9,
    clock: new ManualClock(),
    logger: new RecordingLogger(),
    ...changes,
  });
  open.push(store);
  return store;
}

describe('the SQLite store', () => {
  it('gives back what was set, at once and from the file', async () => {
    const store = storeAt(newPath());
    const writing = store.set('k', 'value', 1000);
    expect(await store.get('k')).toBe('value');
    await writing;
    expect(await store.get('k')).toBe('value');
    expect(await store.get('other')).toBeUndefined();
    await store.delete('k');
    expect(await store.get('k')).toBeUndefined();
  });

  it('serves nothing past its time, queued or stored, and sweeps it', async () => {
    const clock = new ManualClock();
    const store = storeAt(newPath(), { clock });
    const writing = store.set('k', 'value', 1000);
    clock.advance(1000);
    expect(await store.get('k')).toBeUndefined();
    await writing;
    expect(await store.get('k')).toBeUndefined();
    await store.set('lasting', 'value');
    expect((await store.stats()).entries).toBe(2);
    expect(await store.sweep()).toBe(1);
    expect(await store.sweep()).toBe(0);
    expect(await store.get('lasting')).toBe('value');
  });

  it('keeps its entries over a restart, also those set a moment before it', async () => {
    const path = newPath();
    const before = storeAt(path);
    await before.set('early', '1', 1000);
    // While a batch is being written, more comes.
    const writing = before.set('a', '2', 1000);
    await new Promise((resolve) => setImmediate(resolve));
    void before.set('late', '3', 1000);
    await before.disconnect();
    await writing;
    const after = storeAt(path);
    await after.open();
    const read = await Promise.all(['early', 'a', 'late'].map((key) => after.get(key)));
    expect(read).toEqual(['1', '2', '3']);
  });

  it('takes the newer of two lifetimes of the same value', async () => {
    const clock = new ManualClock();
    const store = storeAt(newPath(), { clock });
    const first = store.set('k', 'value', 1000);
    await new Promise((resolve) => setImmediate(resolve));
    await store.set('k', 'value', 9000);
    await first;
    await store.clearMatching('^nothing$');
    clock.advance(5000);
    expect(await store.get('k')).toBe('value');
  });

  it('clears by pattern, and everything without one', async () => {
    const store = storeAt(newPath());
    await Promise.all(['acme:a', 'acme:b', 'other:a'].map((key) => store.set(key, 'v', 1000)));
    void store.set('acme:queued', 'v', 1000);
    expect(await store.clearMatching('^acme:')).toBe(3);
    expect(await store.get('acme:a')).toBeUndefined();
    expect(await store.get('acme:queued')).toBeUndefined();
    expect(await store.get('other:a')).toBe('v');
    await store.clear();
    expect(await store.get('other:a')).toBeUndefined();
  });

  it('stays within its bytes: what has expired goes first, then what is oldest', async () => {
    const clock = new ManualClock();
    const store = storeAt(newPath(), { clock, maxBytes: () => 200_000 });
    const value = 'x'.repeat(1000);
    await store.set('expiring', value, 10);
    clock.advance(10);
    for (let i = 0; i < 300; i++) void store.set(`k${i}`, value, 60_000);
    await store.set('k300', value, 60_000);
    const { entries, bytes, evictions } = await store.stats();
    expect(bytes).toBeLessThanOrEqual(200_000);
    expect(entries + evictions).toBe(302);
    expect(await store.get('k300')).toBe(value);
    expect(await store.get('k0')).toBeUndefined();
  });

  it('sets a damaged file aside, says so, and goes on with an empty one', async () => {
    const path = newPath();
    const made = storeAt(path);
    await made.set('k', 'v', 1000);
    await made.disconnect();
    writeFileSync(path, 'this is no database, but long enough to be read as one'.repeat(100));
    const logger = new RecordingLogger();
    const store = storeAt(path, { logger });
    await store.open();
    expect(await store.get('k')).toBeUndefined();
    await store.set('k', 'again', 1000);
    expect(await store.get('k')).toBe('again');
    expect(logger.lines.map(({ message }) => message)).toEqual([
      'the cache file is damaged and was set aside',
    ]);
    expect(readdirSync(join(path, '..')).filter((name) => /corrupt-\d+$/.test(name))).toHaveLength(
      1,
    );
  });

  it('knows for certain what it does not hold: while it opens nothing, then all but what was stored', async () => {
    const path = newPath();
    const before = storeAt(path);
    expect(before.mayHold('k')).toBe(true);
    await before.open();
    expect(before.mayHold('k')).toBe(false);
    const writing = before.set('k', 'v', 1000);
    expect(before.mayHold('k')).toBe(true);
    await writing;
    await before.disconnect();

    const after = storeAt(path);
    // Stored while the keys of the file are read.
    const opening = after.open();
    void after.set('early', 'v', 1000);
    await opening;
    void after.set('late', 'v', 1000);
    const held = ['k', 'early', 'late', 'other'].map((key) => after.mayHold(key));
    expect(held).toEqual([true, true, true, false]);
    await after.clearMatching('^k$');
    expect([after.mayHold('k'), after.mayHold('early')]).toEqual([false, true]);
  });

  it('stores many in one transaction, packed and sealed in its own threads', async () => {
    const path = newPath();
    const sealed = { encryptionKey: 'a key of an operator', compressAbove: () => 100 };
    const store = storeAt(path, sealed);
    const long = 'all work and no play '.repeat(500);
    await store.setMany([
      { key: 'short', value: 'secret words', ttl: 1000 },
      { key: 'long', value: long, ttl: 1000 },
    ]);
    expect([await store.get('short'), await store.get('long')]).toEqual(['secret words', long]);
    expect((await store.stats()).bytes).toBeLessThan(1000);
    await store.disconnect();
    expect(readFileSync(path).includes('secret words')).toBe(false);

    const stranger = storeAt(path, { encryptionKey: 'another key of an operator' });
    await expect(stranger.get('short')).rejects.toMatchObject({ code: 'unreadable' });
  });

  it('forgets what it cannot write, says so, and does not grow', async () => {
    const logger = new RecordingLogger();
    const file = join(folder, 'a-file');
    writeFileSync(file, '');
    const store = storeAt(join(file, 'cache.sqlite'), { logger });
    await store.set('k', 'v', 1000);
    expect(logger.lines.map(({ message }) => message)).toEqual([
      'the cache file could not be written',
    ]);
    await expect(store.get('k')).rejects.toThrow();
  });

  it('never serves a torn value after kill -9 during writes', async () => {
    const path = newPath();
    for (const rounds of [1, 5, 12]) {
      await writeUntilKilled('answers', path, rounds);
      const store = storeAt(path);
      const values = await Promise.all(
        Array.from({ length: 20 }, async (_, i) => {
          const value: unknown = await store.get(`k${i}`);
          return typeof value === 'string' ? value : '';
        }),
      );
      // One transaction a batch: all keys are of the same round, and each value is whole.
      expect(new Set(values).size).toBe(1);
      const value = values[0] ?? '';
      expect(value).toHaveLength(16_000);
      expect(value).toBe(value.slice(0, 8).repeat(2000));
      expect(Number(value.slice(0, 8))).toBeGreaterThanOrEqual(rounds);
      await store.disconnect();
    }
  });
});
