import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { KeyFilter } from '../exact/key-filter.js';
import type { ValueCodec } from '../exact/value-codec.js';

export interface SqliteRowsOptions {
  readonly path: string;
  readonly role: 'writer' | 'reader';
  readonly encryptionKey?: string | undefined;
}

/** Classes that the thread has loaded: their names end differently in sources and in the build. */
export interface SqliteRowsTools {
  readonly KeyFilter: typeof KeyFilter;
  readonly ValueCodec: typeof ValueCodec;
}

interface Row {
  readonly key: string;
  readonly value: string;
  /** Milliseconds since the epoch, of the gateway's clock. */
  readonly expires: number;
}

export interface SqliteBatch {
  readonly rows: readonly Row[];
  readonly drops: readonly string[];
  readonly maxBytes: number;
  /** Values longer than this (characters) are packed. */
  readonly compressAbove: number;
  readonly now: number;
}

interface Statements {
  readonly get: StatementSync;
  readonly set: StatementSync;
  readonly drop: StatementSync;
}

/**
 * Key-value rows in SQLite, for a thread of their own: everything here waits for the disk. One writes, others read the same file
 * (WAL). A damaged file is set aside by the writer, with a notice.
 *
 * Loaded in worker threads, from sources and from the build: imports Node's modules only.
 */
export class SqliteRows {
  readonly #options: SqliteRowsOptions;
  readonly #tools: SqliteRowsTools;
  readonly #codec: ValueCodec;
  readonly #tell: (notice: Readonly<Record<string, unknown>>) => void;
  #file: { readonly db: DatabaseSync; readonly sql: Statements } | undefined;
  #bytes = 0;
  #evicted = 0;

  constructor(
    options: SqliteRowsOptions,
    tools: SqliteRowsTools,
    tell: (notice: Readonly<Record<string, unknown>>) => void,
  ) {
    this.#options = options;
    this.#tools = tools;
    this.#codec = new tools.ValueCodec(options.encryptionKey);
    this.#tell = tell;
  }

  /** Makes the file where there is none. */
  open(): true {
    return this.#withDb(() => true);
  }

  /** All keys, as the words of a filter. */
  filter(): Uint32Array {
    const { KeyFilter } = this.#tools;
    return this.#withDb((db) => {
      const n = db.prepare('SELECT count(*) AS n FROM answers').get()?.n;
      const filter = new KeyFilter(KeyFilter.wordsFor(Number(n)));
      for (const { key } of db.prepare('SELECT key FROM answers').iterate()) {
        filter.add(String(key));
      }
      return filter.words;
    });
  }

  /** @throws Error `unreadable` when the value is torn or foreign */
  get({ key, now }: { readonly key: string; readonly now: number }): string | undefined {
    const value = this.#withDb((_db, sql) => sql.get.get(key, now)?.value);
    if (typeof value !== 'string') return undefined;
    try {
      return this.#codec.decodeNow(key, value);
    } catch (error) {
      throw Object.assign(new Error(`unreadable value: ${String(error)}`), { code: 'unreadable' });
    }
  }

  /** All of the batch or nothing of it. */
  apply({ rows, drops, maxBytes, compressAbove, now }: SqliteBatch): void {
    this.#withDb((db, sql) => {
      this.#inTransaction(db, () => {
        for (const row of rows) {
          const old = sql.drop.get(row.key);
          const value = this.#codec.encodeNow(row.key, row.value, compressAbove);
          const size = row.key.length + value.length;
          this.#bytes += size - Number(old?.bytes ?? 0);
          sql.set.run(row.key, value, size, row.expires);
        }
        for (const key of drops) this.#bytes -= Number(sql.drop.get(key)?.bytes ?? 0);
        if (this.#bytes > maxBytes) this.#evicted += this.#dropRows(db, 'expires <= ?', now);
        while (this.#bytes > maxBytes) {
          // Oldest first: a re-stored answer gets a new id.
          const oldest = 'id IN (SELECT id FROM answers ORDER BY id LIMIT 64)';
          const gone = this.#dropRows(db, oldest);
          this.#evicted += gone;
          if (gone === 0) this.#bytes = 0;
        }
      });
    });
  }

  /** Removes keys that match the regular expression (all without one); gives how many went. */
  clear({ pattern }: { readonly pattern: string | undefined }): number {
    return this.#withDb((db) => {
      if (pattern === undefined) return this.#dropRows(db, '1');
      const expression = new RegExp(pattern, 'u');
      db.function('key_matches', { deterministic: true }, (key) =>
        expression.test(String(key)) ? 1 : 0,
      );
      return this.#dropRows(db, 'key_matches(key)');
    });
  }

  /** Removes what has expired; gives how many went. */
  sweep({ now }: { readonly now: number }): number {
    return this.#withDb((db) => this.#dropRows(db, 'expires <= ?', now));
  }

  stats(): { entries: number; bytes: number; evictions: number } {
    return this.#withDb((db) => ({
      entries: Number(db.prepare('SELECT count(*) AS n FROM answers').get()?.n),
      bytes: this.#bytes,
      evictions: this.#evicted,
    }));
  }

  /** Lets go of the file: the next call opens it anew. */
  reopen(): void {
    this.#file?.db.close();
    this.#file = undefined;
  }

  close(): void {
    if (this.#options.role === 'writer') this.#file?.db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    this.reopen();
  }

  #open(): { readonly db: DatabaseSync; readonly sql: Statements } {
    const { path, role } = this.#options;
    mkdirSync(dirname(path), { recursive: true });
    const db = new DatabaseSync(path);
    db.exec('PRAGMA busy_timeout = 2000');
    if (role === 'writer') {
      db.exec('PRAGMA journal_mode = WAL');
      db.exec(`
        CREATE TABLE IF NOT EXISTS answers (
          id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, value TEXT NOT NULL,
          bytes INTEGER NOT NULL, expires INTEGER NOT NULL);
        CREATE INDEX IF NOT EXISTS answers_expires ON answers (expires);`);
    }
    db.exec('PRAGMA synchronous = NORMAL');
    db.exec('PRAGMA temp_store = MEMORY');
    db.exec('PRAGMA cache_size = -8192');
    db.exec('PRAGMA mmap_size = 268435456');
    if (role === 'writer') {
      this.#bytes = Number(db.prepare('SELECT coalesce(sum(bytes), 0) AS n FROM answers').get()?.n);
    }
    const sql = {
      get: db.prepare('SELECT value FROM answers WHERE key = ? AND expires > ?'),
      set: db.prepare(
        `INSERT INTO answers (key, value, bytes, expires) VALUES (?, ?, ?, ?)
         ON CONFLICT (key) DO UPDATE SET value = excluded.value, bytes = excluded.bytes, expires = excluded.expires`,
      ),
      drop: db.prepare('DELETE FROM answers WHERE key = ? RETURNING bytes'),
    };
    return { db, sql };
  }

  /** A damaged file is kept for whoever wants to look, out of the way of the fresh one. */
  #setAside(error: unknown): void {
    try {
      this.#file?.db.close();
    } catch {
      // It is broken: there is nothing to flush.
    }
    this.#file = undefined;
    const { path } = this.#options;
    const to = `${path}.corrupt-${Date.now()}`;
    for (const end of ['', '-wal', '-shm']) {
      if (existsSync(path + end)) renameSync(path + end, to + end);
    }
    this.#tell({ corrupt: path, setAside: to, reason: String(error) });
  }

  #withDb<T>(work: (db: DatabaseSync, sql: Statements) => T): T {
    try {
      return this.#run(work);
    } catch (error) {
      if (!isCorrupt(error)) throw error;
      if (this.#options.role === 'reader') {
        // The writer decides; a reader only lets go of the file.
        this.reopen();
        throw error;
      }
      this.#setAside(error);
      return this.#run(work);
    }
  }

  #run<T>(work: (db: DatabaseSync, sql: Statements) => T): T {
    this.#file ??= this.#open();
    return work(this.#file.db, this.#file.sql);
  }

  #inTransaction(db: DatabaseSync, work: () => void): void {
    const [bytes, evicted] = [this.#bytes, this.#evicted];
    db.exec('BEGIN IMMEDIATE');
    try {
      work();
      db.exec('COMMIT');
    } catch (error) {
      // What a full disk did not take must not count, or the batches after it would push everything out.
      [this.#bytes, this.#evicted] = [bytes, evicted];
      // SQLite may have rolled back by itself; its error is the one to tell.
      if (db.isTransaction) db.exec('ROLLBACK');
      throw error;
    }
  }

  #dropRows(db: DatabaseSync, where: string, ...args: (string | number)[]): number {
    const gone = db.prepare(`DELETE FROM answers WHERE ${where} RETURNING bytes`).all(...args);
    for (const row of gone) this.#bytes -= Number(row.bytes);
    return gone.length;
  }
}

function isCorrupt(error: unknown): boolean {
  const code = (error as { errcode?: number }).errcode;
  return code === 11 || code === 26 || /malformed|not a database/.test(String(error));
}
