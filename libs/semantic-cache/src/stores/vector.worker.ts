/**
 * The embedded vector store's thread: an index per scope and fingerprint in memory, rows in SQLite. The rows are the
 * truth; the index is made from them after a start, in slices, while look-ups go on.
 * A worker file is loaded by path, from sources and from the build alike: what it imports is named with its own ending.
 */
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLOutputValue, type StatementSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import { Index, MetricKind, ScalarKind } from 'usearch';
import type * as Filters from '../exact/key-filter.js';
import type * as Codecs from '../exact/value-codec.js';

const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
// The names are of the files above.
const { KeyFilter } = (await import(`../exact/key-filter.${ending}`)) as typeof Filters;
const { ValueCodec } = (await import(`../exact/value-codec.${ending}`)) as typeof Codecs;

interface Point {
  id: string;
  scope: string;
  fingerprint: string;
  key: string;
  message: Float32Array;
  context?: Float32Array;
  text: string;
  answer: string;
  storedAt: number;
  expiresAt: number;
}
interface Query {
  scope: string;
  fingerprint: string;
  message: Float32Array;
  context?: Float32Array;
  now: number;
  limit: number;
}
type Row = Record<string, SQLOutputValue>;

/** Below this a plain scan is faster than a graph, exact, and costs no memory beside the vectors. */
const SCAN_BELOW = 400;
const REBUILD_SLICE = 200;

/** Answers longer than this are packed. */
const COMPRESS_ABOVE = 1024;

interface Space {
  name: string;
  dimension: number;
}

const {
  path,
  sealing,
  space: wantedAtStart,
} = workerData as { path: string; sealing?: { encryptionKey?: string }; space?: Space };
const codec = sealing === undefined ? undefined : new ValueCodec(sealing.encryptionKey);
let db: DatabaseSync | undefined;
let space: Space = { name: '', dimension: 0 };
/** The newest batch of points that was taken in. */
let newest = 0;
let rebuilding: { after: number } | undefined;
let size = 0;
const partitions = new Map<string, Partition>();
const statements = new Map<string, StatementSync>();

/** The vectors of one scope and fingerprint: a list while few, a graph (usearch, 8-bit) when many. */
class Partition {
  #few = new Map<number, Float32Array>();
  #graph: Index | undefined;
  #members = new Set<number>();

  get size(): number {
    return this.#members.size;
  }

  add(row: number, vector: Float32Array): void {
    if (this.#members.has(row)) this.remove(row);
    this.#members.add(row);
    if (this.#graph === undefined) {
      this.#few.set(row, vector);
      if (this.#few.size > SCAN_BELOW) this.#toGraph();
    } else {
      this.#graph.add(BigInt(row), vector, 1);
    }
  }

  remove(row: number): void {
    if (!this.#members.delete(row)) return;
    this.#few.delete(row);
    this.#graph?.remove(BigInt(row));
  }

  search(vector: Float32Array, limit: number): number[] {
    if (this.#graph !== undefined) {
      const found = this.#graph.search(vector, limit, 1);
      return [...found.keys].map(Number).filter((row) => this.#members.has(row));
    }
    return [...this.#few]
      .map(([row, other]) => ({ row, score: cosine(vector, other) }))
      .sort((p, q) => q.score - p.score)
      .slice(0, limit)
      .map(({ row }) => row);
  }

  #toGraph(): void {
    this.#graph = new Index({
      dimensions: space.dimension,
      metric: MetricKind.Cos,
      quantization: ScalarKind.I8,
      connectivity: 16,
      expansion_add: 64,
      expansion_search: 64,
      multi: false,
    });
    for (const [row, vector] of this.#few) this.#graph.add(BigInt(row), vector, 1);
    this.#few.clear();
  }
}

function cosine(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] ?? 0) * (b[i] ?? 0);
  return sum;
}

function open(): DatabaseSync {
  mkdirSync(dirname(path), { recursive: true });
  const opened = new DatabaseSync(path);
  opened.exec('PRAGMA busy_timeout = 2000');
  opened.exec('PRAGMA journal_mode = WAL');
  opened.exec('PRAGMA synchronous = NORMAL');
  opened.exec('PRAGMA cache_size = -8192');
  opened.exec('PRAGMA mmap_size = 268435456');
  opened.exec('PRAGMA temp_store = MEMORY');
  opened.exec(`
    CREATE TABLE IF NOT EXISTS questions (
      row INTEGER PRIMARY KEY, space TEXT NOT NULL, id TEXT NOT NULL, scope TEXT NOT NULL, fingerprint TEXT NOT NULL,
      key TEXT NOT NULL, text TEXT NOT NULL, answer TEXT NOT NULL, message BLOB NOT NULL, context BLOB,
      stored INTEGER NOT NULL, expires INTEGER NOT NULL, UNIQUE (space, id));
    CREATE INDEX IF NOT EXISTS questions_expires ON questions (expires);`);
  return opened;
}

function setAside(error: unknown): void {
  try {
    db?.close();
  } catch {
    // It is broken: there is nothing to flush.
  }
  db = undefined;
  forget();
  const to = `${path}.corrupt-${Date.now()}`;
  for (const end of ['', '-wal', '-shm']) {
    if (existsSync(path + end)) renameSync(path + end, to + end);
  }
  parentPort?.postMessage({ notice: { corrupt: path, setAside: to, reason: String(error) } });
}

function withDb<T>(work: (db: DatabaseSync) => T): T {
  try {
    db ??= open();
    return work(db);
  } catch (error) {
    const code = (error as { errcode?: number }).errcode;
    if (code !== 11 && code !== 26 && !/malformed|not a database/.test(String(error))) throw error;
    setAside(error);
    db = open();
    return work(db);
  }
}

function sql(text: string): StatementSync {
  let statement = statements.get(text);
  if (statement === undefined) {
    statement = withDb((db) => db.prepare(text));
    statements.set(text, statement);
  }
  return statement;
}

function forget(): void {
  partitions.clear();
  statements.clear();
  size = 0;
}

function vectorOf(blob: SQLOutputValue | undefined): Float32Array | undefined {
  if (!(blob instanceof Uint8Array)) return undefined;
  // A copy: SQLite's bytes need not be aligned to four.
  return new Float32Array(blob.slice().buffer);
}

function bytesOf(vector: Float32Array): Uint8Array {
  return new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength);
}

function partitionOf(scope: string, fingerprint: string): Partition {
  const name = `${scope}/${fingerprint}`;
  let partition = partitions.get(name);
  if (partition === undefined) {
    partition = new Partition();
    partitions.set(name, partition);
  }
  return partition;
}

function index(row: Row): void {
  const vector = vectorOf(row.message);
  if (vector?.length !== space.dimension) return;
  partitionOf(String(row.scope), String(row.fingerprint)).add(Number(row.row), vector);
}

/** A slice of the table at a time, so that look-ups get their turn between. */
function rebuildSlice(): void {
  if (rebuilding === undefined || db === undefined) return;
  const rows = sql(
    'SELECT row, scope, fingerprint, message FROM questions WHERE space = ? AND row > ? ORDER BY row LIMIT ?',
  ).all(space.name, rebuilding.after, REBUILD_SLICE);
  for (const row of rows) index(row);
  const last = rows.at(-1);
  if (last === undefined) {
    rebuilding = undefined;
    tellPartitions();
    return;
  }
  rebuilding.after = Number(last.row);
  setImmediate(rebuildSlice);
}

/** So that the gateway need not ask for what is not there. */
function tellPartitions(): void {
  if (rebuilding !== undefined) return;
  const filter = new KeyFilter(KeyFilter.wordsFor(partitions.size));
  for (const name of partitions.keys()) filter.add(name);
  parentPort?.postMessage({ notice: { partitions: filter.words, batch: newest } });
}

/** Takes deleted rows out of the index; gives how many there were, of whatever space. */
function drop(rows: readonly Row[]): number {
  for (const row of rows) {
    if (row.space !== space.name) continue;
    size--;
    const name = `${String(row.scope)}/${String(row.fingerprint)}`;
    const partition = partitions.get(name);
    partition?.remove(Number(row.row));
    if (partition?.size === 0) partitions.delete(name);
  }
  return rows.length;
}

const GONE = 'RETURNING row, space, scope, fingerprint';

const methods: Record<string, (args: never) => unknown> = {
  open: (wanted: Space) => {
    forget();
    space = wanted;
    withDb((db) => {
      const n = db.prepare('SELECT count(*) AS n FROM questions WHERE space = ?').get(space.name);
      size = Number(n?.n);
    });
    rebuilding = { after: 0 };
    rebuildSlice();
  },
  search: (query: Query) => {
    const partition = partitions.get(`${query.scope}/${query.fingerprint}`);
    if (partition === undefined) return [];
    const found = [];
    for (const row of partition.search(query.message, query.limit)) {
      const hit = sql('SELECT * FROM questions WHERE row = ? AND expires > ?').get(row, query.now);
      const message = vectorOf(hit?.message);
      if (hit === undefined || message === undefined) continue;
      const context = vectorOf(hit.context);
      found.push({
        id: hit.id,
        text: hit.text,
        answer: hit.answer,
        storedAt: hit.stored,
        expiresAt: hit.expires,
        key: hit.key,
        // The graph's own distances are of 8-bit vectors.
        similarity: cosine(query.message, message),
        context:
          context === undefined || query.context === undefined
            ? Number(context === query.context)
            : cosine(context, query.context),
      });
    }
    return found.sort((p, q) => q.similarity - p.similarity);
  },
  upsert: ({ points, batch }: { points: Point[]; batch?: number }) => {
    newest = batch ?? newest;
    const added: [number, Point][] = [];
    withDb((db) => {
      db.exec('BEGIN IMMEDIATE');
      try {
        for (const p of points) {
          drop(
            sql(`DELETE FROM questions WHERE space = ? AND id = ? ${GONE}`).all(space.name, p.id),
          );
          const { lastInsertRowid } = sql(
            `INSERT INTO questions (space, id, scope, fingerprint, key, text, answer, message, context, stored, expires)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
          ).run(
            space.name,
            p.id,
            p.scope,
            p.fingerprint,
            p.key,
            codec?.encodeNow(p.id, p.text, Infinity) ?? p.text,
            codec?.encodeNow(p.id, p.answer, COMPRESS_ABOVE) ?? p.answer,
            bytesOf(p.message),
            p.context === undefined ? null : bytesOf(p.context),
            Math.floor(p.storedAt),
            Math.floor(p.expiresAt),
          );
          added.push([Number(lastInsertRowid), p]);
        }
        db.exec('COMMIT');
      } catch (error) {
        if (db.isTransaction) db.exec('ROLLBACK');
        throw error;
      }
    });
    for (const [row, p] of added) partitionOf(p.scope, p.fingerprint).add(row, p.message);
    size += added.length;
  },
  remove: ({ ids }: { ids: string[] }) => {
    for (const id of ids) {
      drop(sql(`DELETE FROM questions WHERE space = ? AND id = ? ${GONE}`).all(space.name, id));
    }
  },
  clear: ({ pattern }: { pattern: string | undefined }) => {
    const expression = pattern === undefined ? undefined : new RegExp(pattern, 'u');
    return withDb((db) => {
      db.function('question_matches', (key) => ((expression?.test(String(key)) ?? true) ? 1 : 0));
      const gone = drop(
        db.prepare(`DELETE FROM questions WHERE question_matches(key) ${GONE}`).all(),
      );
      if (gone > 0) tellPartitions();
      return gone;
    });
  },
  sweep: ({ now, maxEntries }: { now: number; maxEntries: number }) => {
    // Spaces of embedders that are no longer configured go with their entries' time.
    let gone = drop(sql(`DELETE FROM questions WHERE expires <= ? ${GONE}`).all(now));
    if (size > maxEntries) {
      const oldest = `SELECT row FROM questions WHERE space = ? ORDER BY row LIMIT ?`;
      const many = size - maxEntries;
      gone += drop(
        sql(`DELETE FROM questions WHERE row IN (${oldest}) ${GONE}`).all(space.name, many),
      );
    }
    tellPartitions();
    return gone;
  },
  count: () => size,
  close: () => {
    rebuilding = undefined;
    statements.clear();
    db?.close();
    db = undefined;
  },
};

if (wantedAtStart !== undefined) methods.open?.(wantedAtStart as never);

parentPort?.on('message', ({ id, method, args }: { id: number; method: string; args: never }) => {
  try {
    parentPort?.postMessage({ id, value: methods[method]?.(args) });
  } catch (error) {
    parentPort?.postMessage({ id, error: String(error), code: (error as { code?: string }).code });
  }
});
