import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { KeyFilter } from '../exact/key-filter.js';
import { ValueCodec } from '../exact/value-codec.js';
import { SqliteRows, type SqliteBatch } from './sqlite-rows.js';

const folder = mkdtempSync(join(tmpdir(), 'rows-'));
afterAll(() => rm(folder, { recursive: true }));
const open: SqliteRows[] = [];
afterEach(() => {
  for (const rows of open.splice(0)) rows.close();
});

const newPath = () => join(folder, randomUUID(), 'cache.sqlite');
function rowsAt(path = newPath(), role: 'writer' | 'reader' = 'writer', encryptionKey?: string) {
  const notices: Readonly<Record<string, unknown>>[] = [];
  const options = { path, role, encryptionKey };
  const rows = new SqliteRows(options, { KeyFilter, ValueCodec }, (n) => notices.push(n));
  open.push(rows);
  return { rows, notices, path };
}

/** A batch of values under their own names. */
const batchOf = (values: readonly string[], changes: Partial<SqliteBatch> = {}): SqliteBatch => ({
  rows: values.map((value) => ({ key: value, value, expires: 1000 })),
  drops: [],
  maxBytes: 1e9,
  compressAbove: Infinity,
  now: 0,
  ...changes,
});

describe('rows of the second tier', () => {
  it('are written by one and read by others, until their time', () => {
    const { rows, path } = rowsAt();
    rows.apply(batchOf(['a', 'b']));
    const { rows: reader } = rowsAt(path, 'reader');
    expect(reader.get({ key: 'a', now: 999 })).toBe('a');
    expect(reader.get({ key: 'a', now: 1000 })).toBeUndefined();
    expect(reader.get({ key: 'c', now: 0 })).toBeUndefined();
    rows.apply(batchOf([], { drops: ['a', 'unknown'] }));
    expect(reader.get({ key: 'a', now: 0 })).toBeUndefined();
    expect(rows.sweep({ now: 1000 })).toBe(1);
    expect(rows.stats()).toEqual({ entries: 0, bytes: 0, evictions: 0 });
  });

  it('tell all their keys as a filter', () => {
    const { rows } = rowsAt();
    rows.apply(batchOf(['a', 'b']));
    const filter = new KeyFilter(rows.filter());
    expect(['a', 'b', 'c'].map((key) => filter.has(key))).toEqual([true, true, false]);
  });

  it('count nothing of a batch that could not be written', () => {
    const { rows } = rowsAt();
    rows.apply(batchOf(['a', 'b']));
    const before = rows.stats();
    const broken = batchOf(['c', 'd'], { maxBytes: 5 });
    // The disk takes the first row and not the second.
    const half = [broken.rows[0]!, { ...broken.rows[1]!, expires: undefined as unknown as number }];
    expect(() => rows.apply({ ...broken, rows: half })).toThrow();
    expect(rows.stats()).toEqual(before);
  });

  it('make room for the newest: first what has expired, then what is oldest', () => {
    const { rows } = rowsAt();
    const values = Array.from({ length: 100 }, (_, i) => `value ${i}`);
    rows.apply(batchOf(values));
    const { bytes } = rows.stats();
    rows.apply(batchOf(['newest'], { maxBytes: bytes }));
    expect(rows.get({ key: 'newest', now: 0 })).toBe('newest');
    expect(rows.get({ key: 'value 0', now: 0 })).toBeUndefined();
    expect(rows.stats()).toMatchObject({ entries: 37, evictions: 64 });
    rows.apply(batchOf(['last'], { maxBytes: 50, now: 1000 }));
    expect(rows.stats().evictions).toBe(102);
  });

  it('are all of a batch or nothing of it', () => {
    const { rows } = rowsAt();
    const torn = { key: 'b', value: undefined as unknown as string, expires: 1000 };
    const batch = batchOf(['a']);
    expect(() => rows.apply({ ...batch, rows: [...batch.rows, torn] })).toThrow();
    expect(rows.get({ key: 'a', now: 0 })).toBeUndefined();
  });

  it('are cleared by pattern, or all of them', () => {
    const { rows } = rowsAt();
    rows.apply(batchOf(['acme:a', 'acme:b', 'globex:a']));
    expect(rows.clear({ pattern: '^acme:' })).toBe(2);
    expect(rows.clear({ pattern: undefined })).toBe(1);
  });

  it('are sealed when there is a key, and unreadable without it', () => {
    const { rows, path } = rowsAt(newPath(), 'writer', 'secret');
    rows.apply(batchOf(['a'.repeat(2000)], { compressAbove: 1000 }));
    expect(rows.get({ key: 'a'.repeat(2000), now: 0 })).toBe('a'.repeat(2000));
    const { rows: other } = rowsAt(path, 'reader');
    let code: unknown;
    try {
      other.get({ key: 'a'.repeat(2000), now: 0 });
    } catch (error) {
      ({ code } = error as { code?: unknown });
    }
    expect(code).toBe('unreadable');
  });

  it('give way to a fresh file where theirs is damaged, and say so; a reader waits for that', () => {
    const { path } = rowsAt();
    const { rows: first } = rowsAt(path);
    first.apply(batchOf(['a']));
    first.close();
    writeFileSync(path, 'this is no database, but long enough'.repeat(200));
    const { rows: reader } = rowsAt(path, 'reader');
    expect(() => reader.get({ key: 'a', now: 0 })).toThrow(/not a database/);
    const { rows: writer, notices } = rowsAt(path);
    expect(writer.open()).toBe(true);
    expect(notices).toMatchObject([{ corrupt: path, reason: expect.stringContaining('not a') }]);
    expect(readdirSync(dirname(path)).some((file) => file.includes('.corrupt-'))).toBe(true);
    reader.reopen();
    expect(reader.get({ key: 'a', now: 0 })).toBeUndefined();
  });

  it('pass on what is no damage', () => {
    const { rows, path } = rowsAt();
    rows.open();
    const rival = new DatabaseSync(path);
    rival.exec('DROP TABLE answers');
    rival.close();
    expect(() => rows.stats()).toThrow(/no such table/);
  });
});
