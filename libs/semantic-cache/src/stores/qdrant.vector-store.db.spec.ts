import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { FakeQdrant, type Mood } from '../../testing/fake-qdrant.js';
import { QdrantSchema } from '../../testing/qdrant.schema.js';
import {
  DIMENSION,
  at,
  describeVectorStore,
  pointOf,
  queryOf,
} from '../../testing/vector-store.contract.js';
import { QdrantVectorStore } from './qdrant.vector-store.js';

const fake = new FakeQdrant();
let url = '';
beforeAll(async () => {
  url = await fake.start();
});
afterAll(() => fake.stop());

describeVectorStore('the Qdrant store', () => Promise.resolve(new QdrantVectorStore({ url })));

const real = process.env.QDRANT_URL;
if (real !== undefined) {
  describeVectorStore('the Qdrant store on a real server', () =>
    Promise.resolve(
      new QdrantVectorStore({ url: real, apiKey: process.env.QDRANT_API_KEY, timeoutMs: 30_000 }),
    ),
  );
}

describe('the Qdrant store', () => {
  const space = { name: 'lexical_v1_8', dimension: DIMENSION };
  beforeEach(() => {
    fake.mood = 'fine';
    fake.collections.clear();
  });
  const opened = async (options: { apiKey?: string; timeoutMs?: number } = {}) => {
    const store = new QdrantVectorStore({ url, ...options });
    await store.open(space);
    return store;
  };

  it('makes one collection per space with indexes on what it filters by', async () => {
    await opened();
    await opened();
    expect([...fake.collections.keys()]).toEqual(['sluice_lexical_v1_8']);
    expect([...(fake.collections.get('sluice_lexical_v1_8')?.indexes ?? [])].sort()).toEqual([
      'expires_at',
      'fingerprint',
      'scope',
    ]);
  });

  it('opens when another replica makes the collection at the same time', async () => {
    await Promise.all(Array.from({ length: 6 }, () => opened()));
    expect(fake.collections.size).toBe(1);
  });

  it('sends the API key', async () => {
    fake.apiKeys = [];
    // The client warns about a key over plain http; the server of the test has no other.
    const warning = jest.spyOn(console, 'warn').mockImplementation(() => undefined);
    await opened({ apiKey: 'k' });
    warning.mockRestore();
    expect(new Set(fake.apiKeys)).toEqual(new Set(['k']));
  });

  it('does not serve what the server should have filtered out', async () => {
    const store = await opened();
    await store.upsert([pointOf()]);
    const points = fake.collections.get('sluice_lexical_v1_8')?.points;
    const [point] = points?.values() ?? [];
    if (point === undefined) throw new Error('nothing stored');
    // A payload that names another scope under the field that the fake compares.
    let reads = 0;
    const payload = {
      ...point.payload,
      get scope() {
        return reads++ === 0 ? 's' : 'other';
      },
    };
    points?.set(point.id, { ...point, payload });
    expect(await store.search(queryOf())).toEqual([]);
  });

  it('skips points that are not its own', async () => {
    const store = await opened();
    const points = fake.collections.get('sluice_lexical_v1_8')?.points;
    const foreign = { scope: 's', fingerprint: 'f', expires_at: Number.MAX_SAFE_INTEGER };
    const id = pointOf().id;
    points?.set(id, { id, vector: { message: [...at(0)] }, payload: foreign });
    expect(await store.search(queryOf())).toEqual([]);
    expect(await store.clear(undefined)).toBe(0);
  });

  it('clears over more than one page', async () => {
    const store = await opened();
    await store.upsert(Array.from({ length: 600 }, () => pointOf()));
    expect(await store.clear(undefined)).toBe(600);
  });

  it('refuses work before it is open', async () => {
    await expect(new QdrantVectorStore({ url }).count()).rejects.toThrow('not open');
  });

  it.each<Mood>(['hung', 'slow', 'rubbish', 'failing'])(
    'gives up a look-up within its time when the server is %s',
    async (mood) => {
      const store = await opened({ timeoutMs: 1000 });
      fake.mood = mood;
      const started = performance.now();
      await expect(store.search(queryOf({ timeoutMs: 50 }))).rejects.toThrow();
      expect(performance.now() - started).toBeLessThan(3_000);
    },
  );

  it('gives up a look-up when nothing listens', async () => {
    const gone = new FakeQdrant();
    const store = new QdrantVectorStore({ url: await gone.start() });
    await store.open(space);
    await gone.stop();
    await expect(store.search(queryOf({ timeoutMs: 50 }))).rejects.toThrow();
  });
});

it('a misspelt field would be noticed', () => {
  const route = '/collections/{collection_name}/points/count';
  const schema = new QdrantSchema();
  expect(schema.request('POST', route, { exact: true })).toBeUndefined();
  expect(schema.request('POST', route, { exakt: true })).toContain('additional properties');
  expect(schema.request('POST', route, { filter: { must: [{ key: 1 }] } })).toBeDefined();
});

it('every request and answer keeps to the specification of Qdrant', () => {
  expect(fake.faults).toEqual([]);
});
