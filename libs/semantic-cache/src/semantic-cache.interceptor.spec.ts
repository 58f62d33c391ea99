import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { ChatChunk, ChatReply, GatewayError, NO_USAGE, type ReplyEnd } from '@sluice/kernel';
import {
  LOCK,
  LOOSE,
  RESET,
  REWORDED,
  answer,
  as,
  ask,
  chatCall,
  wish,
} from '../testing/cache-calls.js';
import { CacheWorld, COST } from '../testing/cache-world.js';
import { WARM_ROUTE } from './semantic-cache.interceptor.js';

afterEach(() => {
  jest.restoreAllMocks();
});

describe('the cache in the pipeline', () => {
  it('misses, stores, and then answers the same for nothing', async () => {
    const world = await CacheWorld.open();
    const first = await world.send(ask(LOCK), 'Two wait for each other.');
    expect(first.fact).toEqual({ verdict: 'miss' });
    world.clock.advance(5000);
    const call = ask(LOCK);
    const second = await world.send(call);
    expect(second.text).toBe('Two wait for each other.');
    expect(second.fact).toMatchObject({
      verdict: 'hit',
      tier: 'l1',
      similarity: 1,
      ageSeconds: 5,
      savedMicroUsd: COST,
    });
    expect(call.journal.path).toBe('cache');
    expect(world.upstreamCalls).toBe(1);
  });

  it('finds in the second tier what memory has forgotten, and brings it back', async () => {
    const world = await CacheWorld.open();
    await world.send(ask(LOCK));
    world.forgetMemory();
    expect((await world.send(ask(LOCK))).fact).toMatchObject({ verdict: 'hit', tier: 'l2' });
    expect((await world.send(ask(LOCK))).fact).toMatchObject({ verdict: 'hit', tier: 'l1' });
  });

  it('answers a re-worded question by meaning', async () => {
    const world = await CacheWorld.open({ cache: LOOSE });
    await world.send(ask(RESET), 'In the app.');
    const hit = await world.send(ask(REWORDED), 'Not asked.');
    expect(hit.fact).toMatchObject({ verdict: 'semantic', tier: 'semantic', savedMicroUsd: COST });
    expect(hit.fact?.similarity).toBeLessThan(1);
    expect(hit.text).toBe('In the app.');
  });

  it('needs no lower threshold for a question that differs in manners alone', async () => {
    const world = await CacheWorld.open();
    await world.send(ask(LOCK), 'Two wait.');
    const hit = await world.send(ask(`Please, ${LOCK.toLowerCase()}`));
    expect(hit.fact?.verdict).toBe('semantic');
  });

  it('shares one entry between a stream and a plain call', async () => {
    const world = await CacheWorld.open();
    await world.send(ask(LOCK, { stream: true }), 'Two wait.');
    const plain = await world.send(ask(LOCK));
    expect(plain.reply.kind).toBe('message');
    const streamed = await world.send(ask(LOCK, { stream: true }));
    expect(streamed.reply.kind).toBe('stream');
    expect(streamed.message).toEqual(plain.message);
    expect(world.upstreamCalls).toBe(1);
  });

  it('bills a hit with nothing', async () => {
    const world = await CacheWorld.open();
    await world.send(ask(LOCK));
    const reply = await world.interceptor.around(ask(LOCK), () => Promise.reject(new Error('no')));
    const ends: ReplyEnd[] = [];
    reply.observe({ onEnd: (end) => ends.push(end) }).take();
    expect(ends).toMatchObject([{ outcome: 'completed', costMicroUsd: 0, usage: NO_USAGE }]);
  });

  it('repeats the upstream body byte for byte, unless it names the one who asked', async () => {
    const world = await CacheWorld.open();
    const json = '{"id":"x", "choices":[],"z":1.0}';
    const wire = {
      dialect: 'openai-chat' as const,
      json,
      body: JSON.parse(json) as object as never,
    };
    await world.send(ask(LOCK), 'A.', wire);
    expect((await world.send(ask(LOCK))).reply.wire?.json).toBe(json);
    const echo = { dialect: 'openai-chat' as const, body: { metadata: { for: 'ann' } } };
    await world.send(ask(RESET), 'A.', echo);
    expect((await world.send(ask(RESET))).reply.wire).toBeUndefined();
  });

  it('names who made the answer', async () => {
    const world = await CacheWorld.open();
    const call = ask(LOCK);
    call.journal.attempts.push({ model: 'm', provider: 'p', startedAt: 0, outcome: 'completed' });
    await world.send(call);
    expect((await world.send(ask(LOCK))).fact?.answeredBy).toEqual({ model: 'm', provider: 'p' });
  });
});

describe('what is never stored', () => {
  it.each(['length', 'content_filter', 'refusal', 'pause'] as const)(
    'an answer that ended with %s',
    async (finish) => {
      const world = await CacheWorld.open();
      await world.send(ask(LOCK), answer('Two wait', finish));
      await world.send(ask(LOCK));
      expect(world.upstreamCalls).toBe(2);
    },
  );

  it('a refusal in words', async () => {
    const world = await CacheWorld.open();
    await world.send(ask(LOCK), "I'm sorry, but I can't help with that.");
    expect((await world.send(ask(LOCK))).fact?.verdict).toBe('miss');
  });

  it('an error before the answer, which goes on to the caller', async () => {
    const world = await CacheWorld.open();
    const failing = world.interceptor.around(ask(LOCK), () =>
      Promise.reject(new GatewayError('upstream_error', 'down')),
    );
    await expect(failing).rejects.toThrow('down');
    expect((await world.send(ask(LOCK))).fact?.verdict).toBe('miss');
  });

  it('a stream that broke, and one that its reader left', async () => {
    const world = await CacheWorld.open();
    for (const leaves of [true, false]) {
      const pieces = async function* (): AsyncGenerator<ChatChunk> {
        await Promise.resolve();
        yield ChatChunk.of({ type: 'text', choice: 0, text: 'Two' });
        throw new Error('torn');
      };
      const bill = { usage: NO_USAGE, costMicroUsd: 1, message: () => answer('Two') };
      const reply = await world.interceptor.around(ask(LOCK, { stream: true }), () =>
        Promise.resolve(ChatReply.stream(pieces(), () => bill)),
      );
      const reading = (async () => {
        for await (const _chunk of reply.chunks()) if (leaves) break;
      })();
      if (leaves) await reading;
      else await expect(reading).rejects.toThrow();
      await world.deferred.drain(1000);
    }
    expect((await world.send(ask(LOCK))).fact?.verdict).toBe('miss');
  });

  it('what acts in the world', async () => {
    const world = await CacheWorld.open();
    expect((await world.send(ask('Send 50 dollars to Bob'))).fact?.verdict).toBe('bypass');
    await world.send(ask('Send 50 dollars to Bob'));
    expect(world.upstreamCalls).toBe(2);
  });

  it('a body that nobody can read', async () => {
    const world = await CacheWorld.open();
    const parse = (): never => {
      throw new GatewayError('invalid_request', 'no messages');
    };
    expect((await world.send(ask(LOCK, { parse }))).fact?.verdict).toBe('bypass');
  });
});

describe('what callers may ask of the cache', () => {
  it('no-store and off neither look up nor store', async () => {
    const world = await CacheWorld.open();
    for (const controls of [{ noStore: true }, { mode: 'off' as const }]) {
      expect((await world.send(ask(LOCK, wish(controls)))).fact).toEqual({ verdict: 'bypass' });
    }
    expect((await world.send(ask(LOCK))).fact?.verdict).toBe('miss');
    expect((await world.send(ask(LOCK, wish({ noStore: true })))).fact?.verdict).toBe('bypass');
  });

  it('no-cache and refresh skip the look-up and replace what is stored', async () => {
    const world = await CacheWorld.open();
    await world.send(ask(LOCK), 'one');
    expect((await world.send(ask(LOCK, wish({ noCache: true })), 'two')).text).toBe('two');
    expect((await world.send(ask(LOCK))).text).toBe('two');
    expect((await world.send(ask(LOCK, wish({ mode: 'refresh' })), 'three')).text).toBe('three');
    expect((await world.send(ask(LOCK))).text).toBe('three');
  });

  it('max-age refuses what is older, in every tier', async () => {
    const world = await CacheWorld.open();
    await world.send(ask(LOCK));
    world.clock.advance(10_000);
    expect((await world.send(ask(LOCK, wish({ maxAgeSeconds: 11 })))).fact?.verdict).toBe('hit');
    world.forgetMemory();
    const again = await world.send(ask(LOCK, wish({ maxAgeSeconds: 10 })));
    expect(again.fact?.verdict).toBe('miss');
  });

  it('ttl bounds the life of what the call stores; 0 stores nothing', async () => {
    const world = await CacheWorld.open();
    await world.send(ask(LOCK, wish({ ttlSeconds: 2 })));
    world.clock.advance(1999);
    expect((await world.send(ask(LOCK))).fact?.verdict).toBe('hit');
    world.clock.advance(1);
    expect((await world.send(ask(LOCK, wish({ ttlSeconds: 0 })))).fact?.verdict).toBe('miss');
    expect((await world.send(ask(LOCK))).fact?.verdict).toBe('miss');
  });

  it('a namespace is a cache of its own', async () => {
    const world = await CacheWorld.open({ cache: LOOSE });
    await world.send(ask(RESET, wish({ namespace: 'a' })));
    for (const said of [RESET, REWORDED]) {
      expect(
        (await world.send(ask(said, wish({ namespace: 'b', ttlSeconds: 0 })))).fact?.verdict,
      ).toBe('miss');
    }
    expect((await world.send(ask(RESET, wish({ namespace: 'a' })))).fact?.verdict).toBe('hit');
  });

  it('exact means word for word, and a higher threshold is respected', async () => {
    const world = await CacheWorld.open({ cache: LOOSE });
    await world.send(ask(RESET));
    const none = { ttlSeconds: 0 };
    expect((await world.send(ask(REWORDED, wish({ ...none, mode: 'exact' })))).fact?.verdict).toBe(
      'miss',
    );
    expect((await world.send(ask(REWORDED, wish({ ...none, threshold: 1 })))).fact?.verdict).toBe(
      'miss',
    );
    expect((await world.send(ask(REWORDED, wish(none)))).fact?.verdict).toBe('semantic');
  });

  it('hot calls are cached only when the caller asked for it', async () => {
    const world = await CacheWorld.open();
    const hot = { messages: [{ role: 'user', content: LOCK }], temperature: 1.5 };
    expect((await world.send(chatCall(hot))).fact?.verdict).toBe('bypass');
    expect((await world.send(chatCall(hot, wish({ asked: true })))).fact?.verdict).toBe('miss');
    expect((await world.send(chatCall(hot, wish({ asked: true })))).fact?.verdict).toBe('hit');
  });

  it('an operator can switch everything off', async () => {
    const world = await CacheWorld.open({ cache: { enabled: false } });
    await world.send(ask(LOCK));
    expect((await world.send(ask(LOCK))).fact).toEqual({ verdict: 'bypass' });
  });
});

describe('faults', () => {
  it.each(['failing', 'hanging', 'rubbish'] as const)(
    'are misses, at most 60 ms late: a second tier that is %s',
    async (mood) => {
      const world = await CacheWorld.open();
      await world.send(ask(LOCK));
      world.forgetMemory();
      world.keyv.mood = mood;
      const sent = await world.send(ask(LOCK, wish({ mode: 'exact' })), 'fresh');
      expect([sent.fact?.verdict, sent.text]).toEqual(['miss', 'fresh']);
      // 60 ms, and what a busy machine adds to a timer.
      expect(sent.took).toBeLessThan(150);
      expect(await world.metrics.registry.metrics()).toMatch(
        /cache_faults_total\{tier="l2"\} [1-9]/,
      );
    },
  );

  it.each(['failing', 'hanging', 'rubbish'] as const)(
    'are misses, at most 60 ms late: a vector store that is %s',
    async (mood) => {
      const world = await CacheWorld.open({ cache: LOOSE });
      await world.send(ask(RESET));
      world.points.mood = mood;
      const sent = await world.send(ask(REWORDED), 'fresh');
      expect([sent.fact?.verdict, sent.text]).toEqual(['miss', 'fresh']);
      expect(sent.took).toBeLessThan(150);
      expect(await world.metrics.registry.metrics()).toMatch(
        /faults_total\{tier="semantic"\} [1-9]/,
      );
    },
  );

  it('let a tier rest: the next call does not wait again', async () => {
    const world = await CacheWorld.open();
    world.keyv.mood = 'hanging';
    await world.interceptor.around(ask(LOCK), () =>
      Promise.resolve(ChatReply.message(answer('A.'))),
    );
    const sent = world.interceptor.around(ask(RESET), () =>
      Promise.resolve(ChatReply.message(answer('A.'))),
    );
    const winner = await Promise.race([
      sent.then(() => 'answered'),
      new Promise((resolve) => setTimeout(resolve, 40, 'waited')),
    ]);
    expect(winner).toBe('answered');
  });

  it('do not keep memory from answering', async () => {
    const world = await CacheWorld.open();
    world.keyv.mood = 'failing';
    world.points.mood = 'failing';
    await world.send(ask(LOCK), 'one');
    expect((await world.send(ask(LOCK))).fact).toMatchObject({ verdict: 'hit', tier: 'l1' });
  });
});

/** Breaks one step of the cache's work. */
type Break = (world: CacheWorld) => void;
const broken = (): never => {
  throw new Error('broken');
};

describe('a fault of the room itself', () => {
  it.each<[string, string, Break]>([
    ['the key', 'l1', (world) => jest.spyOn(world.identities, 'of').mockImplementation(broken)],
    ['memory', 'l1', (world) => jest.spyOn(world.storage.memory, 'get').mockImplementation(broken)],
    [
      'the second tier',
      'l2',
      (world) => jest.spyOn(world.storage, 'fromSecond').mockImplementation(broken),
    ],
    [
      'the search',
      'semantic',
      (world) => jest.spyOn(world.storage.semantic, 'lookup').mockImplementation(broken),
    ],
    [
      'the controller',
      'semantic',
      (world) => jest.spyOn(world.checks, 'admits').mockImplementation(broken),
    ],
    [
      'counting a hit',
      'semantic',
      (world) => jest.spyOn(world.checks, 'served').mockImplementation(broken),
    ],
    ['storing', 'l1', (world) => jest.spyOn(world.writer, 'keep').mockImplementation(broken)],
  ])('in %s is a miss with a metric, never an error', async (_step, tier, breaks) => {
    const world = await CacheWorld.open({ cache: LOOSE });
    await world.send(ask(RESET), 'stored');
    world.forgetMemory();
    breaks(world);
    const asked = tier === 'semantic' ? REWORDED : LOCK;
    const sent = await world.send(ask(asked), 'fresh');
    expect([sent.fact?.verdict, sent.text]).toEqual(['miss', 'fresh']);
    expect(sent.fact?.tier).toBeUndefined();
    expect(await world.metrics.registry.metrics()).toMatch(
      new RegExp(`cache_faults_total\\{tier="${tier}"\\} [1-9]`),
    );
  });
});

describe('the error controller in the pipeline', () => {
  it('learns from misses with a candidate: the fresh answer is compared with the stored one', async () => {
    const world = await CacheWorld.open({ cache: { semantic: { threshold: 0.99 } } });
    await world.send(ask(RESET), 'In the app.');
    expect((await world.send(ask(REWORDED), 'In the app.')).fact?.verdict).toBe('miss');
    const checked = world.checks.controller.save().bins.reduce((sum, bin) => sum + bin.checked, 0);
    expect(checked).toBe(1);
  });

  it('closes the tier when re-asked hits turn out wrong', async () => {
    const world = await CacheWorld.open({ cache: { semantic: { threshold: 0.5, shadowRate: 1 } } });
    world.bindings.bind({
      fresh: {
        ask: () => Promise.resolve(answer('Bananas grow in warm countries, 7 of them.')),
        complete: () => Promise.resolve(answer('DIFFERENT')),
      },
    });
    await world.send(ask(RESET), 'In the app, 3 taps.');
    const verdicts = [];
    for (let i = 0; i < 4; i++) {
      verdicts.push((await world.send(ask(REWORDED, wish({ ttlSeconds: 0 })))).fact?.verdict);
    }
    expect(verdicts).toEqual(['semantic', 'semantic', 'semantic', 'miss']);
  });
});

describe('warm calls', () => {
  it('fill the cache for everybody, once an operator warmed it', async () => {
    const world = await CacheWorld.open({
      cache: { warming: { queries: [{ model: 'small', prompt: LOCK }] } },
    });
    const system = as({ id: 'system', kind: 'system' });
    await world.send(ask(LOCK, { ...system, route: WARM_ROUTE }), 'Two wait.');
    const hit = await world.send(ask(LOCK, as({ tenant: 'globex', id: 'bob' })));
    expect([hit.fact?.verdict, hit.text]).toEqual(['hit', 'Two wait.']);
    const more = chatCall({ messages: [{ role: 'user', content: LOCK }], seed: 1 });
    expect((await world.send(more)).fact?.verdict).toBe('miss');
  });
});
