import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLOutputValue, type StatementSync } from 'node:sqlite';
import type { KeyFilter } from '../exact/key-filter.js';
import type { ValueCodec } from '../exact/value-codec.js';
import type { cosine, Partition } from './partition.js';
import type { SlicedWork } from './sliced-work.js';
import type { VectorMatch, VectorPoint, VectorQuery, VectorSpace } from './vector-store.js';

export interface VectorIndexOptions {
  readonly path: string;
  /** Without it points come packed and sealed already. */
  readonly sealing?: { readonly encryptionKey?: string | undefined } | undefined;
  /** Opened at once. */
  readonly space?: VectorSpace;
}

/** Classes that the thread has loaded: their names end differently in sources and in the build. */
export interface VectorIndexTools {
  readonly KeyFilter: typeof KeyFilter;
  readonly ValueCodec: typeof ValueCodec;
  readonly Partition: typeof Partition;
  readonly SlicedWork: typeof SlicedWork;
  readonly cosine: typeof cosine;
  /** Collects garbage now. */
  readonly collect: () => void;
}

type Row = Record<string, SQLOutputValue>;

const REBUILD_SLICE = 200;
const RENEW_SLICE = 100;
/** An insertion into a graph takes as long as a look-up: a batch of 64 at once would hold one back for 10 ms. */
const ADD_SLICE = 4;
/** Bytes beside V8's heap that may wait for a collection. */
const MOST_UNSEEN = 8_000_000;
/** Answers longer than this are packed. */
const COMPRESS_ABOVE = 1024;
/** What a deleted row tells, for taking it out of the index. */
const GONE = 'RETURNING row, space, scope, fingerprint';

/**
 * An index per scope and fingerprint in memory, rows in SQLite, for a thread of their own. The rows are the truth; the index is
 * made from them after a start, in slices, while look-ups go on. A damaged file is set aside, with a notice.
 *
 * Loaded in worker threads, from sources and from the build: imports Node's modules and packages only.
 */
export class VectorIndex {
  readonly #path: string;
  readonly #tools: VectorIndexTools;
  readonly #codec: ValueCodec | undefined;
  readonly #tell: (notice: Readonly<Record<string, unknown>>) => void;
  readonly #partitions = new Map<string, Partition>();
  readonly #renewing = new WeakSet<Partition>();
  readonly #statements = new Map<string, StatementSync>();
  /** Rows of the table that are not in the index yet. */
  readonly #adding: SlicedWork<number, VectorPoint>;
  /** Bytes of partitions that are gone and may not be collected yet: about. */
  #unseen = 0;
  #isCollecting = false;
  #db: DatabaseSync | undefined;
  #space: VectorSpace = { name: '', dimension: 0 };
  /** The last row that is in the index, while it is being made. */
  #rebuilt: number | undefined;
  #size = 0;

  constructor(
    { path, sealing, space }: VectorIndexOptions,
    tools: VectorIndexTools,
    tell: (notice: Readonly<Record<string, unknown>>) => void,
  ) {
    this.#path = path;
    this.#tools = tools;
    this.#codec = sealing === undefined ? undefined : new tools.ValueCodec(sealing.encryptionKey);
    this.#tell = tell;
    this.#adding = new tools.SlicedWork(ADD_SLICE, (row, { scope, fingerprint, message }) => {
      this.#partitionOf(scope, fingerprint).add(row, message);
    });
    if (space !== undefined) this.open(space);
  }

  open(space: VectorSpace): void {
    this.#forget();
    this.#space = space;
    this.#withDb((db) => {
      const n = db.prepare('SELECT count(*) AS n FROM questions WHERE space = ?').get(space.name);
      this.#size = Number(n?.n);
    });
    this.#rebuilt = 0;
    this.#rebuildSlice();
  }

  /** Nearest first. */
  search(query: Omit<VectorQuery, 'timeoutMs'>): VectorMatch[] {
    const partition = this.#partitions.get(`${query.scope}/${query.fingerprint}`);
    if (partition === undefined) return [];
    const { cosine } = this.#tools;
    const found: VectorMatch[] = [];
    for (const row of partition.search(query.message, query.limit, query.least)) {
      const hit = this.#sql(
        `SELECT id, key, text, answer, message, context, stored, expires
         FROM questions WHERE row = ? AND expires > ?`,
      ).get(row, query.now);
      const message = vectorOf(hit?.message);
      if (hit === undefined || message === undefined) continue;
      // The index's own distances are of 8-bit vectors.
      const similarity = cosine(query.message, message);
      if (similarity < query.least) continue;
      const context = vectorOf(hit.context);
      found.push({
        id: String(hit.id),
        text: String(hit.text),
        answer: String(hit.answer),
        storedAt: Number(hit.stored),
        expiresAt: Number(hit.expires),
        key: String(hit.key),
        similarity,
        context:
          context === undefined || query.context === undefined
            ? Number(context === query.context)
            : cosine(context, query.context),
      });
    }
    return found.sort((p, q) => q.similarity - p.similarity).slice(0, query.limit);
  }

  /**
   * All points or none. What is oldest beyond `maxEntries` goes at once: until the next sweep it may be many times that. Resolves when
   * all are found; look-ups have their turns meanwhile.
   */
  upsert({
    points,
    maxEntries = Infinity,
  }: {
    readonly points: readonly VectorPoint[];
    readonly maxEntries?: number;
  }): Promise<void> {
    const added: [row: number, point: VectorPoint][] = [];
    this.#withDb((db) => {
      db.exec('BEGIN IMMEDIATE');
      try {
        for (const point of points) {
          const row = this.#store(point);
          if (row !== undefined) added.push([row, point]);
        }
        db.exec('COMMIT');
      } catch (error) {
        // SQLite may have rolled back by itself; its error is the one to tell.
        if (db.isTransaction) db.exec('ROLLBACK');
        throw error;
      }
    });
    for (const [row, point] of added) this.#adding.add(row, point);
    this.#size += added.length;
    this.#dropOldest(maxEntries);
    return this.#adding.run();
  }

  remove({ ids }: { readonly ids: readonly string[] }): void {
    for (const id of ids) this.#remove(id);
  }

  /** Removes what matches the regular expression, all without one; gives how many went. */
  clear({ pattern }: { readonly pattern: string | undefined }): number {
    const expression = pattern === undefined ? undefined : new RegExp(pattern, 'u');
    return this.#withDb((db) => {
      db.function('question_matches', (key) => ((expression?.test(String(key)) ?? true) ? 1 : 0));
      const gone = this.#drop(
        db.prepare(`DELETE FROM questions WHERE question_matches(key) ${GONE}`).all(),
      );
      if (gone > 0) this.#tellPartitions();
      return gone;
    });
  }

  sweep({ now, maxEntries }: { readonly now: number; readonly maxEntries: number }): number {
    // Spaces of embedders that are no longer configured go with their entries' time.
    let gone = this.#drop(this.#sql(`DELETE FROM questions WHERE expires <= ? ${GONE}`).all(now));
    gone += this.#dropOldest(maxEntries);
    this.#tellPartitions();
    return gone;
  }

  count(): number {
    return this.#size;
  }

  close(): void {
    this.#rebuilt = undefined;
    this.#adding.clear();
    this.#statements.clear();
    this.#db?.close();
    this.#db = undefined;
  }

  #dropOldest(maxEntries: number): number {
    if (this.#size <= maxEntries) return 0;
    // As in Qdrant: an answer that was renewed is not old.
    const oldest = `SELECT row FROM questions WHERE space = ? ORDER BY expires, row LIMIT ?`;
    const statement = this.#sql(`DELETE FROM questions WHERE row IN (${oldest}) ${GONE}`);
    return this.#drop(statement.all(this.#space.name, this.#size - maxEntries));
  }

  /** Gives its row when the index does not have it yet. An answer that is renewed leaves the index as it is. */
  #store(point: VectorPoint): number | undefined {
    const known = this.#sql(
      'SELECT row, scope, fingerprint, message FROM questions WHERE space = ? AND id = ?',
    ).get(this.#space.name, point.id);
    const message = bytesOf(point.message);
    const content = [
      point.key,
      this.#codec?.encodeNow(point.id, point.text, Infinity) ?? point.text,
      this.#codec?.encodeNow(point.id, point.answer, COMPRESS_ABOVE) ?? point.answer,
      point.context === undefined ? null : bytesOf(point.context),
      Math.floor(point.storedAt),
      Math.floor(point.expiresAt),
    ];
    if (
      known?.scope === point.scope &&
      known.fingerprint === point.fingerprint &&
      known.message instanceof Uint8Array &&
      Buffer.compare(known.message, message) === 0
    ) {
      this.#sql(
        'UPDATE questions SET key = ?, text = ?, answer = ?, context = ?, stored = ?, expires = ? WHERE row = ?',
      ).run(...content, Number(known.row));
      return undefined;
    }
    if (known !== undefined) this.#remove(point.id);
    const { lastInsertRowid } = this.#sql(
      `INSERT INTO questions (key, text, answer, context, stored, expires, space, id, scope, fingerprint, message)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ).run(...content, this.#space.name, point.id, point.scope, point.fingerprint, message);
    return Number(lastInsertRowid);
  }

  #remove(id: string): void {
    const gone = this.#sql(`DELETE FROM questions WHERE space = ? AND id = ? ${GONE}`);
    this.#drop(gone.all(this.#space.name, id));
  }

  /** Takes deleted rows out of the index; gives how many there were, of whatever space. */
  #drop(rows: readonly Row[]): number {
    for (const row of rows) {
      if (row.space !== this.#space.name) continue;
      this.#size--;
      this.#adding.drop(Number(row.row));
      const name = `${String(row.scope)}/${String(row.fingerprint)}`;
      const partition = this.#partitions.get(name);
      partition?.remove(Number(row.row));
      if (partition?.size === 0) {
        this.#partitions.delete(name);
        this.#unseen += partition.bytes;
        if (this.#unseen > MOST_UNSEEN) this.#collect();
      } else if (partition?.isWorn === true) this.#renew(name, partition);
    }
    return rows.length;
  }

  /** A slice of the table at a time, so that look-ups get their turn between. */
  #rebuildSlice(): void {
    if (this.#rebuilt === undefined || this.#db === undefined) return;
    const rows = this.#sql(
      'SELECT row, scope, fingerprint, message FROM questions WHERE space = ? AND row > ? ORDER BY row LIMIT ?',
    ).all(this.#space.name, this.#rebuilt, REBUILD_SLICE);
    for (const row of rows) this.#index(row);
    const last = rows.at(-1);
    if (last === undefined) {
      this.#rebuilt = undefined;
      this.#tellPartitions();
      return;
    }
    this.#rebuilt = Number(last.row);
    setImmediate(() => this.#rebuildSlice());
  }

  /** In slices, too. */
  #renew(name: string, partition: Partition): void {
    if (this.#renewing.has(partition)) return;
    this.#renewing.add(partition);
    const slice = (): void => {
      const isGone = this.#db === undefined || this.#partitions.get(name) !== partition;
      if (isGone || partition.renew(RENEW_SLICE)) {
        this.#renewing.delete(partition);
        this.#collect();
      } else setImmediate(slice);
    };
    setImmediate(slice);
  }

  /**
   * A graph's memory is not V8's: what little garbage this thread makes would let a dozen graphs of megabytes wait for their collection.
   * Once for all that went in one turn.
   */
  #collect(): void {
    if (this.#isCollecting) return;
    this.#isCollecting = true;
    setImmediate(() => {
      this.#isCollecting = false;
      this.#unseen = 0;
      this.#tools.collect();
    });
  }

  #index(row: Row): void {
    const vector = vectorOf(row.message);
    if (vector?.length !== this.#space.dimension) return;
    this.#partitionOf(String(row.scope), String(row.fingerprint)).add(Number(row.row), vector);
  }

  readonly #vectorOf = (row: number): Float32Array | undefined =>
    vectorOf(this.#sql('SELECT message FROM questions WHERE row = ?').get(row)?.message);

  /** So that the gateway need not ask for what is not there. */
  #tellPartitions(): void {
    if (this.#rebuilt !== undefined) return;
    const { KeyFilter } = this.#tools;
    const filter = new KeyFilter(KeyFilter.wordsFor(this.#partitions.size));
    for (const name of this.#partitions.keys()) filter.add(name);
    this.#tell({ partitions: filter.words });
  }

  #partitionOf(scope: string, fingerprint: string): Partition {
    const name = `${scope}/${fingerprint}`;
    const known = this.#partitions.get(name);
    if (known !== undefined) return known;
    const made = new this.#tools.Partition(this.#space.dimension, this.#vectorOf);
    this.#partitions.set(name, made);
    return made;
  }

  #open(): DatabaseSync {
    mkdirSync(dirname(this.#path), { recursive: true });
    const db = new DatabaseSync(this.#path);
    db.exec('PRAGMA busy_timeout = 2000');
    db.exec(`
      PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -8192;
      PRAGMA mmap_size = 268435456; PRAGMA temp_store = MEMORY;
      CREATE TABLE IF NOT EXISTS questions (
        row INTEGER PRIMARY KEY, space TEXT NOT NULL, id TEXT NOT NULL, scope TEXT NOT NULL, fingerprint TEXT NOT NULL,
        key TEXT NOT NULL, text TEXT NOT NULL, answer TEXT NOT NULL, message BLOB NOT NULL, context BLOB,
        stored INTEGER NOT NULL, expires INTEGER NOT NULL, UNIQUE (space, id));
      CREATE INDEX IF NOT EXISTS questions_expires ON questions (expires);`);
    return db;
  }

  #withDb<T>(work: (db: DatabaseSync) => T): T {
    try {
      this.#db ??= this.#open();
      return work(this.#db);
    } catch (error) {
      const code = (error as { errcode?: number }).errcode;
      if (code !== 11 && code !== 26 && !/malformed|not a database/.test(String(error)))
        throw error;
      this.#setAside(error);
      this.#db = this.#open();
      return work(this.#db);
    }
  }

  #sql(text: string): StatementSync {
    let statement = this.#statements.get(text);
    if (statement === undefined) {
      statement = this.#withDb((db) => db.prepare(text));
      this.#statements.set(text, statement);
    }
    return statement;
  }

  #setAside(error: unknown): void {
    try {
      this.#db?.close();
    } catch {
      // It is broken: there is nothing to flush.
    }
    this.#db = undefined;
    this.#forget();
    const to = `${this.#path}.corrupt-${Date.now()}`;
    for (const end of ['', '-wal', '-shm']) {
      if (existsSync(this.#path + end)) renameSync(this.#path + end, to + end);
    }
    this.#tell({ corrupt: this.#path, setAside: to, reason: String(error) });
  }

  #forget(): void {
    if (this.#partitions.size > 0) this.#collect();
    for (const held of [this.#partitions, this.#adding, this.#statements]) held.clear();
    this.#size = 0;
  }
}

function vectorOf(blob: SQLOutputValue | undefined): Float32Array | undefined {
  if (!(blob instanceof Uint8Array)) return undefined;
  // A copy: SQLite's bytes need not be aligned to four.
  return new Float32Array(blob.slice().buffer);
}

function bytesOf(vector: Float32Array): Uint8Array {
  return new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength);
}
