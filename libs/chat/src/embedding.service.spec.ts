import { afterAll, describe, expect, it } from '@jest/globals';
import { DEFAULT_CACHE_CONTROLS, GatewayError, usage } from '@sluice/kernel';
import { ANN, embeddingWorld } from '../testing/embedding-world.js';

const worlds: ReturnType<typeof embeddingWorld>[] = [];
function world(options?: Parameters<typeof embeddingWorld>[0]) {
  const made = embeddingWorld(options);
  worlds.push(made);
  return made;
}
afterAll(() => Promise.all(worlds.map((each) => each.close())));

const down = () => Promise.reject(new GatewayError('upstream_error', 'down'));
const numbers = ({ vectors }: { readonly vectors: readonly Float64Array[] }) =>
  vectors.map((vector) => [...vector]);

describe('embeddings', () => {
  it('come in the order of their texts, however many batches they take', async () => {
    const w = world();
    const inputs = ['a', 'bb', 'ccc', 'dddd', 'eeeee'];
    const result = await w.embed({ inputs, batchSize: 2 });
    expect(w.main.batches).toEqual([['a', 'bb'], ['ccc', 'dddd'], ['eeeee']]);
    expect(numbers(result)).toEqual([1, 2, 3, 4, 5].map((length) => [1, length]));
    expect(result).toMatchObject({ tokens: 5, costMicroUsd: 5 });
  });

  it('are asked for with the dimensions and with what else the caller wrote', async () => {
    const w = world();
    await w.embed({ dimensions: 8, extra: { input_type: 'query' }, agent: 'indexer/1' });
    await w.embed();
    expect(w.main.asked).toEqual([
      { inputs: ['a text'], dimensions: 8, extra: { input_type: 'query' } },
      { inputs: ['a text'], extra: {} },
    ]);
    expect((await w.events()).map(({ agent }) => agent)).toEqual(['indexer/1', undefined]);
  });

  it('are one call in the books: one event, what all batches took, and nothing held any more', async () => {
    const w = world();
    await w.embed({ inputs: ['one two', 'three', 'four'], batchSize: 1 });
    const events = await w.events();
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({
      model: 'embed',
      outcome: 'completed',
      cache: 'miss',
      costMicroUsd: 4,
      usage: { input: 4, output: 0, estimated: false },
      attempts: 3,
    });
    expect(await w.tokens()).toEqual([4, 0]);
  });
});

describe('texts that were embedded before', () => {
  it('do not go upstream again; the others do, and all find their places', async () => {
    const w = world();
    await w.embed({ inputs: ['bb', 'dddd'] });
    const result = await w.embed({ inputs: ['a', 'bb', 'ccc', 'dddd'] });
    expect(w.main.batches.slice(1)).toEqual([['a', 'ccc']]);
    expect(numbers(result)).toEqual([1, 2, 3, 4].map((length) => [1, length]));
    // OpenAI's numbers tell the size of the question, our bill what it cost this time.
    expect(result).toMatchObject({ tokens: 4, costMicroUsd: 2 });
  });

  it('share out what their batch took in whole tokens', async () => {
    const w = world();
    w.main.script = (request) => ({ ...w.main.answer(request), usage: usage({ input: 8 }) });
    expect((await w.embed({ inputs: ['a', 'b', 'c'], batchSize: 3 })).tokens).toBe(8);
    const each = ['a', 'b', 'c'].map(async (text) => (await w.embed({ inputs: [text] })).tokens);
    expect(await Promise.all(each)).toEqual([3, 3, 2]);
  });

  it('cost nothing, also when nothing may be spent and nothing can be written down', async () => {
    const w = world({ tokensPerDay: 30 });
    const inputs = ['one two three'];
    w.main.script = (request) => ({ ...w.main.answer(request), usage: usage({ input: 30 }) });
    await w.embed({ inputs });
    w.spool.full = true;
    expect(await w.embed({ inputs })).toMatchObject({ tokens: 30, costMicroUsd: 0 });
    expect(w.main.asked).toHaveLength(1);
    const [, hit] = await w.events();
    expect(hit).toMatchObject({ cache: 'hit', costMicroUsd: 0, attempts: 0 });
    expect(await w.tokens()).toEqual([30, 0]);
  });

  it('go upstream again a day later', async () => {
    const w = world();
    await w.embed();
    w.clock.advance(24 * 3_600_000);
    await w.embed();
    expect(w.main.asked).toHaveLength(2);
  });

  it('go upstream each time for a caller who wants nothing kept', async () => {
    const w = world();
    const cache = { ...DEFAULT_CACHE_CONTROLS, noStore: true };
    await w.embed({ cache });
    await w.embed({ cache });
    expect(w.main.asked).toHaveLength(2);
    expect((await w.events()).map((event) => event.cache)).toEqual(['bypass', 'bypass']);
  });
});

describe('all vectors of one request are of one model', () => {
  it('so a fallback that answers makes the cached ones anew, and later batches are its own', async () => {
    const w = world();
    await w.embed({ inputs: ['bb'] });
    w.main.script = down;
    const inputs = ['a', 'bb', 'ccc', 'dddd'];
    const result = await w.embed({ inputs });
    expect(numbers(result)).toEqual([1, 2, 3, 4].map((length) => [2, length]));
    expect(w.other.batches).toEqual([
      ['a', 'ccc'],
      ['bb', 'dddd'],
    ]);
    expect(w.main.asked).toHaveLength(2);
  });

  it('and what the fallback made is not kept under the other name', async () => {
    const w = world();
    w.main.script = down;
    await w.embed();
    w.main.script = (request) => w.main.answer(request);
    expect(numbers(await w.embed())).toEqual([[1, 6]]);
  });

  it('so when its model fails in the middle, no other goes on', async () => {
    const w = world();
    w.main.script = (request) =>
      w.main.asked.length === 1
        ? w.main.answer(request)
        : down().then(() => w.main.answer(request));
    const inputs = ['one two', 'three', 'four', 'five'];
    const failed = w.embed({ inputs });
    await expect(failed).rejects.toMatchObject({
      code: 'upstream_error',
      bill: { usage: { input: 3 }, costMicroUsd: 3 },
    });
    expect(w.other.asked).toHaveLength(0);
    // What was made is paid for, once, and kept: to ask again costs the rest.
    expect(await w.tokens()).toEqual([3, 0]);
    expect(await w.events()).toMatchObject([{ outcome: 'failed', costMicroUsd: 3 }]);
    w.main.script = (request) => w.main.answer(request);
    expect(await w.embed({ inputs })).toMatchObject({ tokens: 5, costMicroUsd: 2 });
  });
});

describe('a caller who leaves', () => {
  it('is charged for the batches that were made, and no further one is asked for', async () => {
    const w = world();
    const leaving = new AbortController();
    w.main.script = (request) => {
      leaving.abort();
      return w.main.answer(request);
    };
    const inputs = ['one two', 'three', 'four five six'];
    await expect(w.embed({ inputs, signal: leaving.signal })).rejects.toMatchObject({
      code: 'client_closed',
    });
    expect(w.main.asked).toHaveLength(1);
    const [event] = await w.events();
    expect(event).toMatchObject({ outcome: 'abandoned', errorCode: 'client_closed' });
    const [spent, held] = (await w.tokens())!;
    expect(spent).toBe(event!.usage.input);
    expect(held).toBe(0);
  });

  it('in the middle of a batch is charged for that batch as counted here, not for texts that were never sent', async () => {
    const w = world();
    const leaving = new AbortController();
    w.main.script = (_request, signal) => {
      leaving.abort();
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true });
        if (signal.aborted) reject(new Error('aborted'));
      });
    };
    const long = 'word '.repeat(500);
    const inputs = ['short', long, long];
    await expect(w.embed({ inputs, batchSize: 1, signal: leaving.signal })).rejects.toMatchObject({
      code: 'client_closed',
    });
    const [event] = await w.events();
    expect(event?.usage.estimated).toBe(true);
    expect(event?.usage.input).toBeLessThan(50);
    expect(await w.tokens()).toEqual([event?.usage.input, 0]);
  });
});

describe('an upstream that answers wrongly', () => {
  it.each([
    ['too few', 1],
    ['too many', 3],
  ])('with %s vectors has failed: the next one is asked', async (_how, count) => {
    const w = world();
    w.main.script = () => ({
      vectors: Array.from({ length: count }, () => [9]),
      usage: usage({ input: 2 }),
    });
    expect(numbers(await w.embed({ inputs: ['a', 'bb'] }))).toEqual([
      [2, 1],
      [2, 2],
    ]);
    w.other.script = w.main.script;
    await expect(w.embed({ inputs: ['c', 'dd'] })).rejects.toMatchObject({
      code: 'upstream_error',
      message: 'The upstream left out an embedding.',
    });
  });

  it('without usage is billed by our own count, of each batch its own texts', async () => {
    const w = world();
    w.main.script = (request) => ({ ...w.main.answer(request), usage: usage({}) });
    const inputs = ['one two', 'three', 'four', 'five six'];
    const whole = await w.embed({ inputs, batchSize: 4 });
    const single = await w.embed({
      inputs,
      batchSize: 1,
      cache: { ...DEFAULT_CACHE_CONTROLS, noCache: true },
    });
    // Four prompts instead of one: three tokens more for each beginning, as OpenAI counts prompts.
    expect(whole.tokens).toBeGreaterThan(6);
    expect(single.tokens).toBe(whole.tokens + 3 * 3);
    for (const { tokens, costMicroUsd } of [whole, single]) expect(costMicroUsd).toBe(tokens);
    expect((await w.events()).map((event) => event.usage)).toMatchObject([
      { input: whole.tokens, estimated: true },
      { input: single.tokens, estimated: true },
    ]);
  });
});

describe('limits', () => {
  it('hold all of it before the first batch: nobody begins what cannot end', async () => {
    const w = world({ tokensPerDay: 12 });
    const inputs = Array.from({ length: 20 }, (_, i) => `text ${i}`);
    await expect(w.embed({ inputs })).rejects.toMatchObject({ code: 'token_limit' });
    expect(w.main.asked).toHaveLength(0);
    expect(await w.tokens()).toEqual([0, 0]);
  });

  it('are not asked for more than is left when some batches are paid for', async () => {
    // The whole counts 21 tokens here. Held anew for each batch, it would not fit beside what was spent.
    const w = world({ tokensPerDay: 25 });
    const inputs = Array.from({ length: 20 }, (_, i) => `text ${i}`);
    w.main.script = (request) => ({ ...w.main.answer(request), usage: usage({ input: 1 }) });
    expect((await w.embed({ inputs, batchSize: 2 })).tokens).toBe(10);
    expect(await w.tokens()).toEqual([10, 0]);
  });

  it('do not hold what the cache has already', async () => {
    const w = world({ tokensPerDay: 35 });
    const inputs = Array.from({ length: 3 }, (_, i) => `text ${i} ${'word '.repeat(5)}`);
    w.main.script = (request) => ({ ...w.main.answer(request), usage: usage({ input: 15 }) });
    await w.embed({ inputs, batchSize: 3 });
    expect((await w.embed({ inputs: [...inputs, 'new'] })).tokens).toBe(30);
  });

  it('count a text in tokens by its length', async () => {
    const w = world({ tokensPerDay: 100 });
    const tokens = Array.from({ length: 200 }, (_, i) => i);
    await expect(w.embed({ inputs: [tokens] })).rejects.toMatchObject({ code: 'token_limit' });
    expect(numbers(await w.embed({ inputs: [tokens.slice(0, 50)] }))).toEqual([[1, 50]]);
  });

  it('give each text the whole context of its model', async () => {
    const w = world();
    const text = (i: number) => `${i} ${'word '.repeat(300)}`;
    const inputs = Array.from({ length: 10 }, (_, i) => text(i));
    expect((await w.embed({ model: 'alone', inputs })).vectors).toHaveLength(10);
    const long = 'word '.repeat(1_001);
    await expect(w.embed({ model: 'alone', inputs: ['short', long] })).rejects.toMatchObject({
      code: 'context_too_long',
      message: expect.stringMatching(/^A text has 10\d\d tokens; alone takes at most 1000 here/),
    });
    expect(w.main.batches.flat()).not.toContain(long);
  });
});

describe('what cannot be embedded', () => {
  it('is refused while nothing can be written down', async () => {
    const w = world();
    w.spool.full = true;
    await expect(w.embed()).rejects.toMatchObject({ code: 'overloaded' });
    expect(w.main.asked).toHaveLength(0);
  });

  it.each([
    ['an adapter that only chats', 'chatty'],
    ['several models behind one name: their vectors mean nothing to each other', 'choir'],
  ])('is said of %s', async (_what, model) => {
    await expect(world().embed({ model })).rejects.toMatchObject({
      code: 'invalid_request',
      param: 'model',
      message: `The model \`${model}\` does not make embeddings.`,
    });
  });

  it('is said of a model that there is not', async () => {
    const w = world();
    await expect(w.embed({ model: 'none' })).rejects.toMatchObject({ code: 'model_not_found' });
    await expect(w.embed({ caller: { ...ANN, tier: 'unknown' } })).rejects.toMatchObject({
      code: 'forbidden',
    });
    expect(await w.events()).toHaveLength(2);
  });
});
