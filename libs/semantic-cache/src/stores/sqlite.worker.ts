/**
 * Key-value rows in SQLite, in a thread of its own. One thread writes, others read the same file (WAL).
 * A worker file is loaded by path, from sources and from the build alike: what it imports is named with its own ending.
 * Times are the gateway's milliseconds since the epoch, given with each call.
 */
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import type * as Filters from '../exact/key-filter.js';
import type * as Codecs from '../exact/value-codec.js';

const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
// The names are of the files above.
const { KeyFilter } = (await import(`../exact/key-filter.${ending}`)) as typeof Filters;
const { ValueCodec } = (await import(`../exact/value-codec.${ending}`)) as typeof Codecs;

interface Options {
  path: string;
  role: 'writer' | 'reader';
  encryptionKey: string | undefined;
}
interface Row {
  key: string;
  value: string;
  expires: number;
}
interface Statements {
  get: StatementSync;
  set: StatementSync;
  drop: StatementSync;
}

const options = workerData as Options;
const writer = options.role === 'writer';
const codec = new ValueCodec(options.encryptionKey);
let db: DatabaseSync | undefined;
// Set by open(), together with `db`.
let sql!: Statements;
let bytes = 0;
let evicted = 0;

function open(): DatabaseSync {
  mkdirSync(dirname(options.path), { recursive: true });
  const opened = new DatabaseSync(options.path);
  opened.exec('PRAGMA busy_timeout = 2000');
  if (writer) {
    opened.exec('PRAGMA journal_mode = WAL');
    opened.exec(`
      CREATE TABLE IF NOT EXISTS answers (
        id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, value TEXT NOT NULL,
        bytes INTEGER NOT NULL, expires INTEGER NOT NULL);
      CREATE INDEX IF NOT EXISTS answers_expires ON answers (expires);`);
  }
  opened.exec('PRAGMA synchronous = NORMAL');
  opened.exec('PRAGMA temp_store = MEMORY');
  opened.exec('PRAGMA cache_size = -8192');
  opened.exec('PRAGMA mmap_size = 268435456');
  if (writer)
    bytes = Number(opened.prepare('SELECT coalesce(sum(bytes), 0) AS n FROM answers').get()?.n);
  sql = {
    get: opened.prepare('SELECT value FROM answers WHERE key = ? AND expires > ?'),
    set: opened.prepare(
      `INSERT INTO answers (key, value, bytes, expires) VALUES (?, ?, ?, ?)
       ON CONFLICT (key) DO UPDATE SET value = excluded.value, bytes = excluded.bytes, expires = excluded.expires`,
    ),
    drop: opened.prepare('DELETE FROM answers WHERE key = ? RETURNING bytes'),
  };
  return opened;
}

function isCorrupt(error: unknown): boolean {
  const code = (error as { errcode?: number }).errcode;
  return code === 11 || code === 26 || /malformed|not a database/.test(String(error));
}

/** A damaged file is kept for whoever wants to look, out of the way of the fresh one. */
function setAside(error: unknown): void {
  try {
    db?.close();
  } catch {
    // It is broken: there is nothing to flush.
  }
  db = undefined;
  const to = `${options.path}.corrupt-${Date.now()}`;
  for (const end of ['', '-wal', '-shm']) {
    if (existsSync(options.path + end)) renameSync(options.path + end, to + end);
  }
  parentPort?.postMessage({
    notice: { corrupt: options.path, setAside: to, reason: String(error) },
  });
}

function withDb<T>(work: (db: DatabaseSync, sql: Statements) => T): T {
  try {
    db ??= open();
    return work(db, sql);
  } catch (error) {
    if (!isCorrupt(error)) throw error;
    if (!writer) {
      // The writer decides; a reader only lets go of the file.
      db?.close();
      db = undefined;
      throw error;
    }
    setAside(error);
    db = open();
    return work(db, sql);
  }
}

function inTransaction<T>(db: DatabaseSync, work: () => T): T {
  db.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    db.exec('COMMIT');
    return result;
  } catch (error) {
    // SQLite may have rolled back by itself; its error is the one to tell.
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

function dropRows(db: DatabaseSync, where: string, ...args: (string | number)[]): number {
  const gone = db.prepare(`DELETE FROM answers WHERE ${where} RETURNING bytes`).all(...args);
  for (const row of gone) bytes -= Number(row.bytes);
  return gone.length;
}

const methods: Record<string, (args: never) => unknown> = {
  open: () => withDb(() => true),
  /** All keys, as the words of a filter. */
  filter: () =>
    withDb((db) => {
      const n = db.prepare('SELECT count(*) AS n FROM answers').get()?.n;
      const filter = new KeyFilter(KeyFilter.wordsFor(Number(n)));
      for (const { key } of db.prepare('SELECT key FROM answers').iterate()) {
        filter.add(String(key));
      }
      return filter.words;
    }),
  get: ({ key, now }: { key: string; now: number }) => {
    const value = withDb((_db, sql) => sql.get.get(key, now)?.value);
    if (typeof value !== 'string') return undefined;
    try {
      return codec.decodeNow(key, value);
    } catch (error) {
      throw Object.assign(new Error(`unreadable value: ${String(error)}`), { code: 'unreadable' });
    }
  },
  apply: ({
    rows,
    drops,
    maxBytes,
    compressAbove,
    now,
  }: {
    rows: Row[];
    drops: string[];
    maxBytes: number;
    compressAbove: number;
    now: number;
  }) =>
    withDb((db, sql) =>
      inTransaction(db, () => {
        for (const row of rows) {
          const old = sql.drop.get(row.key);
          const value = codec.encodeNow(row.key, row.value, compressAbove);
          const size = row.key.length + value.length;
          bytes += size - Number(old?.bytes ?? 0);
          sql.set.run(row.key, value, size, row.expires);
        }
        for (const key of drops) bytes -= Number(sql.drop.get(key)?.bytes ?? 0);
        if (bytes > maxBytes) evicted += dropRows(db, 'expires <= ?', now);
        while (bytes > maxBytes) {
          // Oldest first: a re-stored answer gets a new id.
          const n = dropRows(db, 'id IN (SELECT id FROM answers ORDER BY id LIMIT 64)');
          evicted += n;
          if (n === 0) bytes = 0;
        }
      }),
    ),
  clear: ({ pattern }: { pattern: string | undefined }) =>
    withDb((db) => {
      if (pattern === undefined) return dropRows(db, '1');
      const expression = new RegExp(pattern, 'u');
      db.function('key_matches', { deterministic: true }, (key) =>
        expression.test(String(key)) ? 1 : 0,
      );
      return dropRows(db, 'key_matches(key)');
    }),
  sweep: ({ now }: { now: number }) => withDb((db) => dropRows(db, 'expires <= ?', now)),
  stats: () =>
    withDb((db) => ({
      entries: Number(db.prepare('SELECT count(*) AS n FROM answers').get()?.n),
      bytes,
      evictions: evicted,
    })),
  reopen: () => {
    db?.close();
    db = undefined;
  },
  close: () => {
    if (writer) db?.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    db?.close();
    db = undefined;
  },
};

parentPort?.on('message', ({ id, method, args }: { id: number; method: string; args: never }) => {
  try {
    parentPort?.postMessage({ id, value: methods[method]?.(args) });
  } catch (error) {
    parentPort?.postMessage({ id, error: String(error), code: (error as { code?: string }).code });
  }
});
