import { afterAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import {
  DIMENSION,
  NOW,
  at,
  describeVectorStore,
  pointOf,
  queryOf,
} from '../../testing/vector-store.contract.js';
import { KeyFilter } from '../exact/key-filter.js';
import { ValueCodec } from '../exact/value-codec.js';
import { cosine, Partition } from './partition.js';
import { SlicedWork } from './sliced-work.js';
import { VectorIndex, type VectorIndexOptions } from './vector-index.js';
import {
  VectorStore,
  type VectorMatch,
  type VectorPoint,
  type VectorQuery,
  type VectorSpace,
} from './vector-store.js';

const folder = mkdtempSync(join(tmpdir(), 'index-'));
afterAll(() => rm(folder, { recursive: true }));

const SPACE = { name: 'space', dimension: DIMENSION };
const newPath = () => join(folder, randomUUID(), 'cache.sqlite');
function indexAt(path = newPath(), more: Partial<VectorIndexOptions> = {}) {
  const notices: Readonly<Record<string, unknown>>[] = [];
  const collected = { times: 0 };
  const collect = () => collected.times++;
  const tools = { KeyFilter, ValueCodec, Partition, SlicedWork, cosine, collect };
  const index = new VectorIndex({ path, ...more }, tools, (notice) => notices.push(notice));
  /** The index is made in slices, one in each turn. */
  const ready = async () => {
    while (notices.length === 0) await new Promise((resolve) => setImmediate(resolve));
  };
  return { index, notices, path, ready, collected };
}

/** The index as a store, without the thread between. */
class DirectStore extends VectorStore {
  readonly #index = indexAt().index;
  open = async (space: VectorSpace): Promise<void> => this.#index.open(space);
  search = async (query: VectorQuery): Promise<VectorMatch[]> => this.#index.search(query);
  upsert = async (points: readonly VectorPoint[]): Promise<void> => this.#index.upsert({ points });
  remove = async (ids: readonly string[]): Promise<void> => this.#index.remove({ ids });
  clear = async (pattern: string | undefined): Promise<number> => this.#index.clear({ pattern });
  sweep = async (now: number, maxEntries: number): Promise<number> =>
    this.#index.sweep({ now, maxEntries });
  count = async (): Promise<number> => this.#index.count();
  close = async (): Promise<void> => this.#index.close();
}

describeVectorStore('the index itself', () => Promise.resolve(new DirectStore()));

describe('the index of questions', () => {
  it('becomes a graph when many, and is made again from the rows', async () => {
    const { index, path } = indexAt();
    index.open(SPACE);
    const points = Array.from({ length: 2100 }, (_, i) => pointOf({ message: at(i / 40) }));
    await index.upsert({ points });
    const wanted = queryOf({ message: at(20), limit: 1 });
    const [nearest] = index.search(wanted);
    expect(nearest?.similarity).toBeGreaterThan(0.99);
    index.remove({ ids: [nearest?.id ?? ''] });
    expect(index.search(wanted)[0]?.id).not.toBe(nearest?.id);
    // Known ids are replaced, in the graph too.
    await index.upsert({ points: [{ ...points[0]!, message: at(89) }] });
    expect(index.search(queryOf({ message: at(89), limit: 1 }))[0]?.id).toBe(points[0]!.id);
    expect(index.count()).toBe(2099);
    index.close();

    const again = indexAt(path, { space: SPACE });
    await again.ready();
    expect(again.index.count()).toBe(2099);
    expect(again.index.search(wanted)).toHaveLength(1);
    const filter = new KeyFilter(again.notices[0]?.partitions as Uint32Array<ArrayBuffer>);
    expect([filter.has('s/f'), filter.has('s/g')]).toEqual([true, false]);
    again.index.close();
  });

  it('packs and seals what it is given where it has a key', async () => {
    const { index, path } = indexAt(newPath(), { sealing: { encryptionKey: 'secret' } });
    index.open(SPACE);
    await index.upsert({ points: [pointOf({ text: 'asked', answer: 'said '.repeat(500) })] });
    const [found] = index.search(queryOf());
    expect(found?.answer).toMatch(/^G/);
    expect(found?.text).not.toContain('asked');
    index.close();
    const file = new DatabaseSync(path);
    expect(JSON.stringify(file.prepare('SELECT text, answer FROM questions').all())).not.toMatch(
      /asked|said/,
    );
    file.close();
  });

  it('finds an answer that was renewed a thousand times, as it is now', async () => {
    const { index, ready } = indexAt();
    index.open(SPACE);
    await ready();
    const many = Array.from({ length: 500 }, (_, i) =>
      pointOf({ text: String(i), message: at(i / 10) }),
    );
    await index.upsert({ points: many });
    const hot = { ...many[250]!, text: 'hot' };
    for (let time = 0; time < 1000; time++) {
      await index.upsert({
        points: [{ ...hot, answer: `answer ${time}`, expiresAt: NOW + 1000 + time }],
      });
    }
    expect(index.count()).toBe(500);
    const { timeoutMs: _, ...query } = queryOf({ message: hot.message });
    expect(index.search(query)[0]).toMatchObject({ text: 'hot', answer: 'answer 999' });
  });

  it('asks for a collection when a graph was replaced, because a graph weighs nothing to V8', async () => {
    const { index, ready, collected } = indexAt();
    index.open(SPACE);
    await ready();
    const vectors = Array.from({ length: 5000 }, (_, i) => pointOf({ message: at(i / 60) }));
    await index.upsert({ points: vectors });
    index.remove({ ids: vectors.slice(0, 2600).map(({ id }) => id) });
    expect(collected.times).toBe(0);
    while (collected.times === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(index.search(queryOf({ message: at(80), limit: 1 }))).toHaveLength(1);
    index.clear({ pattern: undefined });
    while (collected.times === 1) await new Promise((resolve) => setImmediate(resolve));
    index.close();
  });

  it('makes room for new points at once, the oldest going first', async () => {
    const { index } = indexAt();
    index.open(SPACE);
    const points = Array.from({ length: 10 }, (_, i) =>
      pointOf({ text: String(i), storedAt: NOW + i }),
    );
    await index.upsert({ points: points.slice(0, 6), maxEntries: 6 });
    await index.upsert({ points: points.slice(6), maxEntries: 6 });
    expect(index.count()).toBe(6);
    const { timeoutMs: _, ...query } = queryOf({ limit: 20 });
    const texts = index.search(query).map(({ text }) => text);
    expect(texts.toSorted()).toEqual(['4', '5', '6', '7', '8', '9']);
  });

  it('keeps all points of a batch or none', () => {
    const { index } = indexAt();
    index.open(SPACE);
    const torn = pointOf({ text: undefined as unknown as string });
    expect(() => index.upsert({ points: [pointOf(), torn] })).toThrow();
    expect(index.count()).toBe(0);
    expect(index.search(queryOf())).toEqual([]);
    index.close();
  });

  it('leaves out vectors of another dimension', async () => {
    const { index, path } = indexAt();
    index.open(SPACE);
    await index.upsert({ points: [pointOf(), pointOf({ message: at(0, 4) })] });
    index.close();
    const again = indexAt(path, { space: SPACE });
    await again.ready();
    expect(again.index.search(queryOf())).toHaveLength(1);
    again.index.close();
  });

  it('sets a damaged file aside and begins anew', async () => {
    const { index, path, notices } = indexAt();
    index.open(SPACE);
    index.close();
    writeFileSync(path, 'this is no database, but long enough'.repeat(200));
    index.open(SPACE);
    expect(notices).toContainEqual(expect.objectContaining({ corrupt: path }));
    await index.upsert({ points: [pointOf()] });
    expect(index.sweep({ now: NOW, maxEntries: 0 })).toBe(1);
    index.close();
  });
});
