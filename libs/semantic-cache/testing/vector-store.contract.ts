import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { VectorPoint, VectorQuery, VectorStore } from '../src/stores/vector-store.js';

export const DIMENSION = 8;
export const NOW = Date.UTC(2026, 0, 1);

/** A unit vector at `angle` degrees from the first axis. */
export function at(angle: number, dimension = DIMENSION): Float32Array {
  const vector = new Float32Array(dimension);
  vector[0] = Math.cos((angle * Math.PI) / 180);
  vector[1] = Math.sin((angle * Math.PI) / 180);
  return vector;
}

export function pointOf(changes: Partial<VectorPoint> = {}): VectorPoint {
  return {
    id: randomUUID(),
    scope: 's',
    fingerprint: 'f',
    key: 'acme:default:m:1',
    message: at(0),
    text: 'question',
    answer: 'answer',
    storedAt: NOW,
    expiresAt: NOW + 60_000,
    ...changes,
  };
}

export function queryOf(changes: Partial<VectorQuery> = {}): VectorQuery {
  return {
    scope: 's',
    fingerprint: 'f',
    message: at(0),
    now: NOW,
    least: -1,
    limit: 8,
    timeoutMs: 5000,
    ...changes,
  };
}

/**
 * What every vector store must do.
 * @param make a store without points whose file or server the test owns
 */
export function describeVectorStore(name: string, make: () => Promise<VectorStore>): void {
  describe(`${name} keeps the contract of a vector store`, () => {
    let store: VectorStore;
    let space: { name: string; dimension: number };

    beforeEach(async () => {
      store = await make();
      space = { name: `test_${randomUUID().replaceAll('-', '_')}`, dimension: DIMENSION };
      await store.open(space);
    });
    afterEach(async () => {
      await store.clear(undefined);
      await store.close();
    });
    const texts = async (changes: Partial<VectorQuery> = {}) =>
      (await store.search(queryOf(changes))).map(({ text }) => text);

    it('finds the nearest first, with all that was stored', async () => {
      const far = pointOf({ message: at(40), text: 'far' });
      const near = pointOf({ message: at(10), text: 'near', answer: 'an answer', key: 'a:b:c:d' });
      await store.upsert([far, near]);
      const [first, second, ...others] = await store.search(queryOf());
      expect(first).toMatchObject({
        id: near.id,
        text: 'near',
        answer: 'an answer',
        key: 'a:b:c:d',
        storedAt: NOW,
        expiresAt: NOW + 60_000,
      });
      expect(first?.similarity).toBeCloseTo(Math.cos(Math.PI / 18), 4);
      expect(second?.text).toBe('far');
      expect(others).toEqual([]);
      expect(await texts({ limit: 1 })).toEqual(['near']);
    });

    it('finds nothing that is less alike than was asked for', async () => {
      await store.upsert([
        pointOf({ message: at(40), text: 'far' }),
        pointOf({ message: at(10), text: 'near' }),
      ]);
      expect(await texts({ least: Math.cos(Math.PI / 6) })).toEqual(['near']);
      expect(await texts({ least: 0.99 })).toEqual([]);
    });

    it('finds nothing of another scope or fingerprint, however alike', async () => {
      await store.upsert([
        pointOf({ scope: 'other', text: 'scope' }),
        pointOf({ fingerprint: 'other', text: 'fingerprint' }),
        pointOf({ text: 'mine' }),
      ]);
      expect(await texts()).toEqual(['mine']);
    });

    it('finds nothing that has expired', async () => {
      await store.upsert([pointOf({ expiresAt: NOW + 1000 })]);
      expect(await texts({ now: NOW + 999 })).toHaveLength(1);
      expect(await texts({ now: NOW + 1000 })).toEqual([]);
    });

    it('tells how alike the contexts are: 1 when neither has one, 0 when only one has', async () => {
      const contextOf = async (changes: Partial<VectorQuery>) =>
        (await store.search(queryOf(changes)))[0]?.context;
      const point = pointOf();
      await store.upsert([point]);
      expect(await contextOf({})).toBe(1);
      expect(await contextOf({ context: at(0) })).toBe(0);
      await store.upsert([{ ...point, context: at(60) }]);
      expect(await contextOf({})).toBe(0);
      expect(await contextOf({ context: at(0) })).toBeCloseTo(0.5, 4);
    });

    it('replaces a point under a known id', async () => {
      const point = pointOf({ text: 'before' });
      await store.upsert([point]);
      await store.upsert([{ ...point, text: 'after', message: at(90) }]);
      expect(await store.count()).toBe(1);
      expect(await texts({ message: at(90) })).toEqual(['after']);
    });

    it('removes by id and clears by pattern of the key', async () => {
      const gone = pointOf({ text: 'removed' });
      await store.upsert([
        gone,
        pointOf({ text: 'acme', key: 'acme:default:m:1' }),
        pointOf({ text: 'other', key: 'other:default:m:1' }),
      ]);
      await store.remove([gone.id]);
      expect((await texts()).sort()).toEqual(['acme', 'other']);
      expect(await store.clear('^acme:')).toBe(1);
      expect(await texts()).toEqual(['other']);
      expect(await store.count()).toBe(1);
      expect(await store.clear(undefined)).toBe(1);
      expect(await store.count()).toBe(0);
    });

    it('sweeps what has expired, then what is oldest beyond the bound', async () => {
      const points = [1, 2, 3, 4].map((n) =>
        pointOf({ text: String(n), storedAt: NOW + n, expiresAt: NOW + n * 1000 }),
      );
      await store.upsert(points);
      expect(await store.sweep(NOW + 1000, 100)).toBe(1);
      expect(await store.sweep(NOW + 1000, 2)).toBe(1);
      expect((await texts({ now: NOW + 1000 })).sort()).toEqual(['3', '4']);
      expect(await store.sweep(NOW + 1000, 2)).toBe(0);
    });

    it('makes room for new points by the next sweep', async () => {
      const points = [1, 2, 3, 4].map((n) =>
        pointOf({ text: String(n), storedAt: NOW + n, expiresAt: NOW + n * 1000 }),
      );
      await store.upsert(points.slice(0, 2), 2);
      await store.upsert(points.slice(2), 2);
      await store.sweep(NOW, 2);
      expect(await store.count()).toBe(2);
      expect((await texts()).sort()).toEqual(['3', '4']);
    });

    it('keeps the points of another space apart, and has them again when it is opened again', async () => {
      await store.upsert([pointOf()]);
      const other = { name: `${space.name}_other`, dimension: 4 };
      await store.open(other);
      expect(await store.count()).toBe(0);
      expect(await texts({ message: at(0, 4) })).toEqual([]);
      await store.upsert([pointOf({ message: at(0, 4), text: 'of the other' })]);
      expect(await store.count()).toBe(1);
      await store.clear('nothing');
      await store.open(space);
      expect(await texts()).toEqual(['question']);
      expect(await store.count()).toBe(1);
    });

    it('counts only its own space when more than that is cleared or swept', async () => {
      await store.upsert([pointOf({ expiresAt: NOW + 1 }), pointOf()]);
      await store.open({ name: `${space.name}_other`, dimension: DIMENSION });
      await store.upsert([pointOf()]);
      await store.sweep(NOW + 1, 100);
      expect(await store.count()).toBe(1);
      await store.clear(undefined);
      expect(await store.count()).toBe(0);
    });

    it('finds the nearest among many', async () => {
      const points = Array.from({ length: 500 }, (_, i) =>
        pointOf({ message: at(i * 0.36), text: String(i) }),
      );
      await store.upsert(points);
      const found = await store.search(queryOf({ message: at(250 * 0.36), limit: 5 }));
      expect(found.map(({ text }) => Number(text)).filter((n) => Math.abs(n - 250) > 5)).toEqual(
        [],
      );
      expect(found.length).toBeGreaterThan(2);
      expect(found).toEqual([...found].sort((p, q) => q.similarity - p.similarity));
      await store.remove(points.slice(245, 256).map(({ id }) => id));
      const without = await texts({ message: at(250 * 0.36), limit: 5 });
      expect(without.filter((text) => Math.abs(Number(text) - 250) <= 5)).toEqual([]);
    });
  });
}
