import { afterAll, afterEach, describe, expect, it, jest } from '@jest/globals';
import { configFromObjects } from '@sluice/config';
import { ManualClock } from '@sluice/kernel';
import { randomUUID } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeQdrant, type Mood } from '../../testing/fake-qdrant.js';
import { RecordingLogger } from '../../testing/logs.js';
import { makeEmbedder } from '../embedders/embedder.catalogue.js';
import { Embedder } from '../embedders/embedder.js';
import type { CachedAnswer } from '../exact/cached-answer.js';
import { ValueCodec } from '../exact/value-codec.js';
import { EmbeddedVectorStore } from '../stores/embedded.vector-store.js';
import { QdrantVectorStore } from '../stores/qdrant.vector-store.js';
import type { VectorStore } from '../stores/vector-store.js';
import type { Question } from './question.js';
import { SemanticTier, type SemanticTierParts } from './semantic-tier.js';

const folder = mkdtempSync(join(tmpdir(), 'semantic-'));
afterAll(() => rm(folder, { recursive: true }));
const open: SemanticTier[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((tier) => tier.close()));
});

const clock = new ManualClock();
const { cache, embedders } = configFromObjects().current.sluice;
const named = (embedder: string, enabled = true) => ({
  ...cache,
  semantic: { ...cache.semantic, embedder, enabled },
});
const newStore = (path = join(folder, randomUUID())) =>
  new EmbeddedVectorStore(path, new RecordingLogger());

class Double extends Embedder {
  readonly kind = 'dense';
  closed = false;
  constructor(
    readonly id: string,
    readonly dimension: number,
    private readonly work: (text: string) => Promise<number>,
  ) {
    super();
  }
  embed(texts: readonly string[]): Promise<Float32Array[]> {
    return Promise.all(
      texts.map(async (text) => {
        const vector = new Float32Array(this.dimension);
        vector[await this.work(text)] = 1;
        return vector;
      }),
    );
  }
  override close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }
}
const honest = (id: string, dimension: number) =>
  new Double(id, dimension, (text) => Promise.resolve(text.length % dimension));

function tierOf(parts: Partial<SemanticTierParts> & { store: VectorStore }) {
  const faults: unknown[] = [];
  const logger = new RecordingLogger();
  const tier = new SemanticTier({
    codec: new ValueCodec(undefined),
    clock,
    logger,
    embedder: (config) => makeEmbedder(config, () => undefined),
    onFault: (error) => faults.push(error),
    ...parts,
  });
  open.push(tier);
  return { tier, faults, logger };
}

function ask(text: string, changes: Partial<Question> = {}): Question {
  return { text, context: '', scope: 's', fingerprint: 'f', key: `a:b:c:${text}`, ...changes };
}
function answer(text: string): CachedAnswer {
  return {
    message: {
      id: 'm',
      createdAt: 0,
      model: 'sandbox',
      choices: [{ index: 0, parts: [{ type: 'text', text }], finish: 'stop' }],
      usage: { input: 1, output: 1 },
    } as unknown as CachedAnswer['message'],
    costMicroUsd: 5,
    storedAt: clock.now(),
    expiresAt: clock.now() + 60_000,
  };
}
const HOURS = 'What are the opening hours of the city library?';

describe('the semantic tier', () => {
  it('finds a stored answer by a question that says the same', async () => {
    const { tier, faults } = tierOf({ store: newStore() });
    await tier.open(cache, embedders);
    expect(tier.status).toEqual({ state: 'open', reason: '', embedder: 'lexical' });
    expect(tier.keep(ask(HOURS), answer('nine to five'))).toBe(true);
    expect(tier.keep(ask('How do plants make sugar from light?'), answer('so'))).toBe(false);
    await tier.flush();
    expect(await tier.count()).toBe(2);
    const { candidate } = await tier.lookup(ask(`${HOURS.toLowerCase()} `), 1000);
    expect(candidate?.verbatim).toBe(true);
    expect(candidate?.answer.message.choices).toEqual(answer('nine to five').message.choices);
    expect(await tier.lookup(ask('Who painted the Mona Lisa?'), 1000)).toMatchObject({
      candidate: undefined,
    });
    expect((await tier.lookup(ask(HOURS, { scope: 'other' }), 1000)).candidate).toBeUndefined();
    expect(faults).toEqual([]);
  });

  it('refuses a near match that a guard objects to, and says why', async () => {
    const { tier } = tierOf({ store: newStore() });
    await tier.open(cache, embedders);
    tier.keep(ask('How many people live in Berlin in the year 2019?'), answer('many'));
    await tier.flush();
    const { candidate, vetoes } = await tier.lookup(
      ask('How many people live in Berlin in the year 2023?'),
      1000,
    );
    expect(candidate).toBeUndefined();
    expect(vetoes.length).toBeGreaterThan(0);
  });

  it('tells of the same question with other numbers, though it never searches for it', async () => {
    const { tier } = tierOf({ store: newStore() });
    await tier.open(cache, embedders);
    const stays = (nights: number) =>
      ask(`What do ${nights} nights cost?`, { fingerprint: String(nights), frame: 7 });
    tier.keep(stays(2), answer('much'));
    await tier.flush();
    expect(await tier.lookup(stays(3), 1000)).toEqual({ candidate: undefined, vetoes: ['number'] });
    expect((await tier.lookup(stays(2), 1000)).candidate).toMatchObject({ verbatim: true });
    await tier.clear(undefined);
    expect(await tier.lookup(stays(3), 1000)).toEqual({ candidate: undefined, vetoes: [] });
  });

  it('misses at once, without a fault, while the store is behind', async () => {
    const store = newStore();
    const { tier, faults } = tierOf({ store });
    await tier.open(cache, embedders);
    tier.keep(ask(HOURS), answer('nine to five'));
    await tier.flush();
    const behind = jest.spyOn(store, 'isBehind').mockReturnValue(true);
    const searched = jest.spyOn(store, 'search');
    expect(await tier.lookup(ask(HOURS), 50)).toEqual({ candidate: undefined, vetoes: [] });
    expect(behind).toHaveBeenCalledWith(50);
    expect(searched).not.toHaveBeenCalled();
    expect(faults).toEqual([]);
    behind.mockReturnValue(false);
    expect((await tier.lookup(ask(HOURS), 1000)).candidate).toBeDefined();
  });

  it('serves a question that points back only within a like conversation', async () => {
    const { tier } = tierOf({ store: newStore() });
    await tier.open(cache, embedders);
    const follow = 'And how tall is it when measured at the top?';
    tier.keep(ask(follow, { context: 'Tell me about the Eiffel tower' }), answer('330 m'));
    await tier.flush();
    const about = async (context: string) => tier.lookup(ask(follow, { context }), 1000);
    expect((await about('Tell me about the Eiffel tower')).candidate).toBeDefined();
    const other = await about('Tell me about Mount Everest and its climbers');
    expect(other).toEqual({ candidate: undefined, vetoes: ['context'] });
    expect((await about('')).candidate).toBeUndefined();
  });

  it('keeps texts and answers unreadable at rest when a key is set', async () => {
    const store = newStore();
    const { tier } = tierOf({ store, codec: new ValueCodec('k'.repeat(32)) });
    await tier.open(cache, embedders);
    tier.keep(ask(HOURS), answer('nine to five'));
    await tier.flush();
    expect((await tier.lookup(ask(HOURS), 1000)).candidate).toBeDefined();
    const other = tierOf({ store, codec: new ValueCodec('z'.repeat(32)) });
    await other.tier.open(cache, embedders);
    expect((await other.tier.lookup(ask(HOURS), 1000)).candidate).toBeUndefined();
    expect(other.faults).toHaveLength(1);
  });

  it('evicts a wrong answer with the near ones of its scope', async () => {
    const { tier } = tierOf({ store: newStore() });
    await tier.open(cache, embedders);
    const near = 'What are the opening hours of the city library today?';
    for (const text of [HOURS, near, 'How do plants make sugar?']) tier.keep(ask(text), answer(''));
    tier.keep(ask(HOURS, { scope: 'other', key: 'x:y:z:1' }), answer(''));
    await tier.flush();
    const { candidate } = await tier.lookup(ask(HOURS), 1000);
    expect(await tier.evict(ask(HOURS), candidate?.id ?? '')).toBe(2);
    expect(await tier.count()).toBe(2);
    expect(await tier.clear('^x:')).toBe(1);
    clock.advance(60_000);
    expect(await tier.sweep(10)).toBe(1);
  });

  it('stays closed with an embedder that finds everything alike, and says so', async () => {
    const liar = new Double('liar', 2, () => Promise.resolve(0));
    const { tier, logger } = tierOf({ store: newStore(), embedder: () => Promise.resolve(liar) });
    await tier.open(cache, embedders);
    expect(tier.status.state).toBe('refused');
    expect(tier.status.reason).toContain('failed its self-test: unrelated texts are 1.000 similar');
    expect(logger.lines.map(({ message }) => message)).toEqual(['the semantic cache stays closed']);
    expect(liar.closed).toBe(true);
    expect(tier.keep(ask(HOURS), answer(''))).toBe(false);
    expect(await tier.lookup(ask(HOURS), 1000)).toEqual({ candidate: undefined, vetoes: [] });
  });

  it('stays closed when the configured embedder does not exist', async () => {
    const { tier } = tierOf({ store: newStore() });
    await tier.open(named('none'), embedders);
    expect(tier.status).toMatchObject({
      state: 'refused',
      reason: expect.stringContaining('none'),
    });
  });

  it('lets go of the embedder when the store cannot be opened', async () => {
    const embedder = honest('e', 4);
    const { tier } = tierOf({
      store: new QdrantVectorStore({ url: 'http://127.0.0.1:1' }),
      embedder: () => Promise.resolve(embedder),
    });
    await tier.open(cache, embedders);
    expect(tier.status.state).toBe('refused');
    expect(embedder.closed).toBe(true);
  });

  it('makes a new collection when the dimension changes between starts', async () => {
    const fake = new FakeQdrant();
    const url = await fake.start();
    for (const dimension of [4, 6, 4]) {
      const { tier } = tierOf({
        store: new QdrantVectorStore({ url }),
        embedder: () => Promise.resolve(honest('model', dimension)),
      });
      await tier.open(cache, embedders);
      expect(tier.status.state).toBe('open');
      tier.keep(ask(HOURS), answer(''));
      await tier.flush();
      expect((await tier.lookup(ask(HOURS), 1000)).candidate).toBeDefined();
      await tier.close();
    }
    expect(
      [...fake.collections].map(([name, { size, points }]) => [name, size, points.size]),
    ).toEqual([
      ['sluice_model_4', 4, 1],
      ['sluice_model_6', 6, 1],
    ]);
    expect(fake.faults).toEqual([]);
    await fake.stop();
  });

  it('changes to the embedder that was configured while it was opening, and closes on request', async () => {
    const made: Double[] = [];
    const { tier } = tierOf({
      store: newStore(),
      embedder: () => {
        const embedder = honest(`e${made.length}`, 4);
        made.push(embedder);
        return Promise.resolve(embedder);
      },
    });
    const both = { a: { kind: 'lexical' }, b: { kind: 'lexical' } } as const;
    const first = tier.open(named('a'), both);
    expect(tier.status.state).toBe('opening');
    await Promise.all([first, tier.open(named('a'), both), tier.open(named('b'), both)]);
    expect(tier.status).toMatchObject({ state: 'open', embedder: 'b' });
    expect(made.map(({ closed }) => closed)).toEqual([true, false]);
    await tier.open(named('b', false), both);
    expect(tier.status).toMatchObject({ state: 'off', reason: 'disabled' });
  });

  it.each<Mood>(['hung', 'slow', 'rubbish', 'failing'])(
    'misses within its time when the server is %s, and then rests',
    async (mood) => {
      const fake = new FakeQdrant();
      const store = new QdrantVectorStore({ url: await fake.start(), timeoutMs: 500 });
      const { tier, faults } = tierOf({ store });
      await tier.open(cache, embedders);
      fake.mood = mood;
      const started = performance.now();
      expect((await tier.lookup(ask(HOURS), 200)).candidate).toBeUndefined();
      expect(performance.now() - started).toBeLessThan(3_000);
      await tier.lookup(ask(HOURS), 200);
      expect(faults).toHaveLength(1);
      await fake.stop();
    },
  );

  it('misses within its time when the embedder hangs', async () => {
    let hangs = false;
    const embedder = new Double('e', 4, (text) =>
      hangs ? new Promise(() => undefined) : Promise.resolve(text.length % 4),
    );
    const { tier, faults } = tierOf({
      store: newStore(),
      embedder: () => Promise.resolve(embedder),
    });
    await tier.open(cache, embedders);
    tier.keep(ask(HOURS), answer('nine to five'));
    await tier.flush();
    hangs = true;
    const started = performance.now();
    expect((await tier.lookup(ask(HOURS), 200)).candidate).toBeUndefined();
    expect(performance.now() - started).toBeLessThan(3_000);
    expect(faults).toHaveLength(1);
  });
});
