import type { StoredData } from 'keyv';
import { dot } from '../src/embedders/lexical-vector.js';
import type { SecondTierStore } from '../src/exact/second-tier.js';
import type { StoreStats } from '../src/stores/sqlite-keyv.store.js';
import {
  VectorStore,
  type VectorMatch,
  type VectorPoint,
  type VectorQuery,
} from '../src/stores/vector-store.js';

/** How a store behaves: as it should, with an error, never, or with rubbish. */
export type Mood = 'well' | 'failing' | 'hanging' | 'rubbish';

function feel(mood: Mood): Promise<void> {
  if (mood === 'failing') return Promise.reject(new Error('the store is down'));
  return mood === 'hanging' ? new Promise(() => undefined) : Promise.resolve();
}

/** The second tier's store as a map. */
export class MemoryKeyvStore implements SecondTierStore {
  opts: Record<string, unknown> = {};
  namespace?: string | undefined;
  mood: Mood = 'well';
  readonly rows = new Map<string, string>();

  async get<Value>(key: string): Promise<StoredData<Value> | undefined> {
    await feel(this.mood);
    const row = this.mood === 'rubbish' ? '|p0:rubbish' : this.rows.get(key);
    return row as StoredData<Value> | undefined;
  }
  async set(key: string, value: unknown): Promise<boolean> {
    if (this.mood === 'failing') await feel(this.mood);
    this.rows.set(key, String(value));
    return true;
  }
  delete(key: string): Promise<boolean> {
    return Promise.resolve(this.rows.delete(key));
  }
  clear(): Promise<void> {
    this.rows.clear();
    return Promise.resolve();
  }
  clearMatching(pattern: string | undefined): Promise<number> {
    const expression = new RegExp(pattern ?? '', 'u');
    const gone = [...this.rows.keys()].filter((key) => expression.test(key));
    for (const key of gone) this.rows.delete(key);
    return Promise.resolve(gone.length);
  }
  sweep(): Promise<number> {
    return Promise.resolve(0);
  }
  stats(): Promise<StoreStats> {
    return Promise.resolve({ entries: this.rows.size, bytes: 0, evictions: 0 });
  }
  on(): this {
    return this;
  }
}

/** Looks at every point. */
export class MemoryVectorStore extends VectorStore {
  mood: Mood = 'well';
  readonly points = new Map<string, VectorPoint>();

  open(): Promise<void> {
    return Promise.resolve();
  }
  async search(query: VectorQuery): Promise<VectorMatch[]> {
    await feel(this.mood);
    return [...this.points.values()]
      .filter((p) => p.scope === query.scope && p.fingerprint === query.fingerprint)
      .filter((p) => p.expiresAt > query.now)
      .map((p) => ({
        ...p,
        text: this.mood === 'rubbish' ? 'rubbish' : p.text,
        similarity: dot(p.message, query.message),
        context: contextOf(p.context, query.context),
      }))
      .filter(({ similarity }) => similarity >= query.least)
      .sort((a, b) => b.similarity - a.similarity)
      .slice(0, query.limit);
  }
  upsert(points: readonly VectorPoint[]): Promise<void> {
    for (const point of points) this.points.set(point.id, point);
    return Promise.resolve();
  }
  remove(ids: readonly string[]): Promise<void> {
    for (const id of ids) this.points.delete(id);
    return Promise.resolve();
  }
  clear(pattern: string | undefined): Promise<number> {
    const expression = new RegExp(pattern ?? '', 'u');
    const gone = [...this.points.values()].filter((point) => expression.test(point.key));
    for (const { id } of gone) this.points.delete(id);
    return Promise.resolve(gone.length);
  }
  sweep(): Promise<number> {
    return Promise.resolve(0);
  }
  count(): Promise<number> {
    return Promise.resolve(this.points.size);
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}

function contextOf(a: Float32Array | undefined, b: Float32Array | undefined): number {
  if (a === undefined || b === undefined) return a === b ? 1 : 0;
  return dot(a, b);
}
