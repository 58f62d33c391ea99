import { afterAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeUntilKilled } from '../../testing/killed-writer.js';
import { RecordingLogger } from '../../testing/logs.js';
import {
  DIMENSION,
  NOW,
  at,
  describeVectorStore,
  pointOf,
  queryOf,
} from '../../testing/vector-store.contract.js';
import { ValueCodec } from '../exact/value-codec.js';
import { EmbeddedVectorStore } from './embedded.vector-store.js';

const folder = mkdtempSync(join(tmpdir(), 'vectors-'));
afterAll(() => rm(folder, { recursive: true }));

const space = { name: 'space', dimension: DIMENSION };
const newPath = () => join(folder, randomUUID(), 'cache.sqlite');
const storeAt = (path: string, logger = new RecordingLogger()) =>
  new EmbeddedVectorStore(path, logger);

describeVectorStore('the embedded store', () => Promise.resolve(storeAt(newPath())));

/** It says so a moment after it has read the file. */
async function untilSure(store: EmbeddedVectorStore): Promise<void> {
  while (store.mayHold('nobody', 'nothing')) await new Promise((resolve) => setImmediate(resolve));
}

/** The index is made from the rows in slices after `open()`. */
async function untilFound(store: EmbeddedVectorStore, n: number): Promise<string[]> {
  for (;;) {
    const found = await store.search(queryOf({ limit: n }));
    if (found.length >= n) return found.map(({ text }) => text);
  }
}

describe('the embedded store', () => {
  it('has everything again after a restart', async () => {
    const path = newPath();
    const before = storeAt(path);
    await before.open(space);
    const points = Array.from({ length: 450 }, (_, i) =>
      pointOf({ text: String(i), context: at(i) }),
    );
    await before.upsert(points);
    await before.close();

    const after = storeAt(path);
    await after.open(space);
    expect(await after.count()).toBe(450);
    expect(await untilFound(after, 8)).toHaveLength(8);
    await after.close();
  });

  it('replaces what it finds stored while it still reads the file after a restart', async () => {
    const path = newPath();
    const before = storeAt(path);
    await before.open(space);
    const points = Array.from({ length: 390 }, () => pointOf({ message: at(90) }));
    await before.upsert(points);
    await before.close();

    const after = storeAt(path);
    const opening = after.open(space);
    const last = points.at(-1);
    if (last === undefined) throw new Error('no points');
    await after.upsert([{ ...last, message: at(0), text: 'replaced' }]);
    await opening;
    const [first] = await after.search(queryOf({ limit: 1 }));
    expect(first).toMatchObject({ id: last.id, text: 'replaced' });
    expect(await after.count()).toBe(390);
    await after.close();
  });

  it('knows for certain in which scopes and fingerprints it has nothing', async () => {
    const path = newPath();
    const before = storeAt(path);
    await before.open(space);
    await untilSure(before);
    expect(before.mayHold('s', 'f')).toBe(false);
    const storing = before.upsert([pointOf()]);
    expect([before.mayHold('s', 'f'), before.mayHold('s', 'other')]).toEqual([true, false]);
    await storing;
    await before.close();

    const after = storeAt(path);
    await after.open(space);
    // Stored while the index is made.
    await after.upsert([pointOf({ scope: 'new' })]);
    await untilSure(after);
    expect([after.mayHold('s', 'f'), after.mayHold('new', 'f')]).toEqual([true, true]);
    await after.clear(undefined);
    while (after.mayHold('s', 'f')) await new Promise((resolve) => setImmediate(resolve));
    expect(await after.search(queryOf())).toEqual([]);
    await after.close();
  });

  it('packs and seals in its own thread what is not sealed yet', async () => {
    const path = newPath();
    const store = new EmbeddedVectorStore(path, new RecordingLogger(), { encryptionKey: 'key' });
    await store.open(space);
    const answer = 'all work and no play '.repeat(500);
    const point = pointOf({ text: 'a private question', answer });
    await store.upsert([point]);
    const [found] = await store.search(queryOf());
    const codec = new ValueCodec('key');
    expect(codec.decodeNow(point.id, found?.text ?? '')).toBe('a private question');
    expect(codec.decodeNow(point.id, found?.answer ?? '')).toBe(answer);
    expect(found?.answer.length).toBeLessThan(1000);
    await store.close();
    expect(readFileSync(path).includes('a private question')).toBe(false);
  });

  it('sets a damaged file aside, says so, and goes on with an empty one', async () => {
    const path = newPath();
    const made = storeAt(path);
    await made.open(space);
    await made.close();
    writeFileSync(path, 'this is no database, but long enough to be read as one'.repeat(100));
    const logger = new RecordingLogger();
    const store = storeAt(path, logger);
    await store.open(space);
    await store.upsert([pointOf()]);
    expect(await store.search(queryOf())).toHaveLength(1);
    expect(logger.lines).toEqual([
      {
        fields: expect.objectContaining({ corrupt: path }),
        message: 'the file of the semantic cache is damaged and was set aside',
      },
    ]);
    expect(readdirSync(join(path, '..')).filter((name) => name.includes('.corrupt-'))).toHaveLength(
      1,
    );
    await store.close();
  });

  it('never finds a torn value after kill -9 during writes', async () => {
    const path = newPath();
    for (const rounds of [1, 4]) {
      await writeUntilKilled('vectors', path, rounds);
      const store = storeAt(path);
      await store.open(space);
      expect(await store.count()).toBe(20);
      await untilFound(store, 20);
      const found = await store.search(queryOf({ limit: 20, now: NOW }));
      expect(new Set(found.map(({ text }) => text)).size).toBe(1);
      for (const { text, answer } of found) {
        expect(text).toBe(text.slice(0, 8).repeat(2000));
        expect(answer).toBe(text);
      }
      await store.close();
    }
  });

  it('gives up a look-up within its time while the thread is busy', async () => {
    const store = storeAt(newPath());
    await store.open(space);
    await store.upsert(Array.from({ length: 390 }, () => pointOf({ key: `${'a'.repeat(26)}!` })));
    // A pattern that backtracks for a while.
    const clearing = store.clear('^(a+)+$').catch(() => 0);
    const started = performance.now();
    await expect(store.search(queryOf({ timeoutMs: 20 }))).rejects.toThrow('took over 20 ms');
    // Whoever comes next need not wait to learn it.
    expect(store.isBehind(15)).toBe(true);
    expect(performance.now() - started).toBeLessThan(3_000);
    void clearing;
    await store.close();
  });

  it('refuses work after it was closed', async () => {
    const store = storeAt(newPath());
    await store.open(space);
    await store.close();
    await store.close();
    await expect(store.count()).rejects.toThrow('closed');
  });
});
