import { describe, expect, it } from '@jest/globals';
import { configFromObjects, type ConfigStore } from '@sluice/config';
import {
  ChatCall,
  DEFAULT_CACHE_CONTROLS,
  ManualClock,
  type CacheControls,
  type Caller,
} from '@sluice/kernel';
import { CacheBindings, CacheIdentities } from '@sluice/semantic-cache';
import { EmbeddingCache } from './embedding.cache.js';

const ANN: Caller = { tenant: 'acme', id: 'ann', kind: 'key', tier: 'free', scopes: [] };
const EMBEDDING = { vector: Float64Array.of(1, 2), tokens: 3, generation: 0 };

function callOf(caller: Partial<Caller> = {}, wishes: Partial<CacheControls> = {}, model = 'm') {
  return new ChatCall({
    id: 'a',
    caller: { ...ANN, ...caller },
    cache: { ...DEFAULT_CACHE_CONTROLS, ...wishes },
    dialect: 'openai-chat',
    model,
    stream: false,
    body: {},
    signal: new AbortController().signal,
    parse: () => ({ messages: [] }),
  });
}

function world(input: Parameters<typeof configFromObjects>[0] = {}) {
  const config: ConfigStore = configFromObjects({
    ...input,
    sluice: { providers: [{ id: 'p', kind: 'sandbox' }], models: [], ...input.sluice },
  });
  const clock = new ManualClock();
  const bindings = new CacheBindings();
  const cache = new EmbeddingCache(config, new CacheIdentities(config), clock, bindings);
  return { cache, clock, bindings };
}

describe('embeddings that were made before', () => {
  it('are found by text, model and settings', () => {
    const { cache } = world();
    cache.set(callOf(), 'dim 8', 'a text', EMBEDDING);
    expect(cache.get(callOf(), 'dim 8', 'a text')).toMatchObject({
      vector: EMBEDDING.vector,
      tokens: 3,
    });
    expect(cache.get(callOf(), 'dim 8', 'another')).toBeUndefined();
    expect(cache.get(callOf(), '', 'a text')).toBeUndefined();
    expect(cache.get(callOf({}, {}, 'other'), 'dim 8', 'a text')).toBeUndefined();
  });

  it.each<Partial<Caller>>([{ id: 'bob' }, { tenant: 'globex' }, { kind: 'jwt' }])(
    'are not shown to somebody else: %j',
    (other) => {
      const { cache } = world();
      cache.set(callOf(), '', [1, 2], EMBEDDING);
      expect(cache.get(callOf(other), '', [1, 2])).toBeUndefined();
      expect(cache.get(callOf(), '', [1, 2])).toBeDefined();
    },
  );

  it('are shared as widely as the operator says', () => {
    const { cache } = world({ sluice: { cache: { scope: 'tenant' } } });
    cache.set(callOf(), '', 'a text', EMBEDDING);
    expect(cache.get(callOf({ id: 'bob', kind: 'jwt' }), '', 'a text')).toBeDefined();
    expect(cache.get(callOf({ tenant: 'globex' }), '', 'a text')).toBeUndefined();
  });

  it('are left alone when the caller wants a fresh one, and replaced by it', () => {
    const { cache } = world();
    cache.set(callOf(), '', 'a text', EMBEDDING);
    for (const wishes of [{ noCache: true }, { mode: 'refresh' as const }]) {
      expect(cache.get(callOf({}, wishes), '', 'a text')).toBeUndefined();
    }
    cache.set(callOf({}, { noCache: true }), '', 'a text', { ...EMBEDDING, tokens: 9 });
    expect(cache.get(callOf(), '', 'a text')?.tokens).toBe(9);
  });

  it.each<Partial<CacheControls>>([{ noStore: true }, { mode: 'off' }, { ttlSeconds: 0 }])(
    'are not stored when the caller says %j',
    (wishes) => {
      const { cache } = world();
      cache.set(callOf({}, wishes), '', 'a text', EMBEDDING);
      expect(cache.get(callOf(), '', 'a text')).toBeUndefined();
    },
  );

  it('are served in the age that the caller accepts, and in the namespace that it names', () => {
    const { cache, clock } = world();
    cache.set(callOf({}, { namespace: 'a' }), '', 'a text', EMBEDDING);
    clock.advance(10_000);
    const get = (wishes: Partial<CacheControls>) => cache.get(callOf({}, wishes), '', 'a text');
    expect(get({ namespace: 'a', maxAgeSeconds: 11 })).toBeDefined();
    expect(get({ namespace: 'a', maxAgeSeconds: 10 })).toBeUndefined();
    expect(get({})).toBeUndefined();
  });

  const HOUR = 3_600_000;
  it.each<[string, Parameters<typeof world>[0], Partial<CacheControls>, number]>([
    ['a day', {}, {}, 24 * HOUR],
    ['what the operator says', { sluice: { cache: { ttl: { embeddings: '2h' } } } }, {}, 2 * HOUR],
    ['what the caller says', {}, { ttlSeconds: 60 }, 60_000],
  ])('are kept for %s, and not a moment longer', (_, config, wishes, ttl) => {
    const { cache, clock } = world(config);
    cache.set(callOf({}, wishes), '', 'a text', EMBEDDING);
    clock.advance(ttl - 1);
    // To be read does not make it younger.
    expect(cache.get(callOf(), '', 'a text')).toBeDefined();
    clock.advance(1);
    expect(cache.get(callOf(), '', 'a text')).toBeUndefined();
  });

  it('go when the cache is cleared', () => {
    const { cache, bindings } = world();
    cache.set(callOf(), '', 'a text', EMBEDDING);
    cache.set(callOf({ tenant: 'globex' }), '', 'a text', EMBEDDING);
    bindings.cleared((key) => key.startsWith('acme:default:m:'));
    expect(cache.get(callOf(), '', 'a text')).toBeUndefined();
    expect(cache.get(callOf({ tenant: 'globex' }), '', 'a text')).toBeDefined();
  });

  it('are not kept when the cache was cleared while they were made', () => {
    const { cache, bindings } = world();
    const { generation } = cache;
    bindings.cleared(() => true);
    cache.set(callOf(), '', 'a text', { ...EMBEDDING, generation });
    expect(cache.get(callOf(), '', 'a text')).toBeUndefined();
    cache.set(callOf(), '', 'a text', { ...EMBEDDING, generation: cache.generation });
    expect(cache.get(callOf(), '', 'a text')).toBeDefined();
  });

  it('are not kept where the operator switched the cache off', () => {
    for (const off of [
      { sluice: { cache: { enabled: false } } },
      { env: { ENABLE_RESPONSE_CACHE: 'false' } },
    ]) {
      const { cache } = world(off);
      cache.set(callOf(), '', 'a text', EMBEDDING);
      expect(cache.get(callOf(), '', 'a text')).toBeUndefined();
      expect(cache.isFor(callOf())).toBe(false);
    }
  });
});
