import { describe, expect, it } from '@jest/globals';
import { DEFAULT_CACHE_CONTROLS } from '@sluice/kernel';
import fc from 'fast-check';
import {
  ANN,
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
import { CacheWorld } from '../testing/cache-world.js';
import { WARM_ROUTE } from './semantic-cache.interceptor.js';

describe('what caches are known to get wrong', () => {
  it('leak: nobody is served what another caller or tenant asked, word for word or by meaning', async () => {
    const world = await CacheWorld.open({ cache: LOOSE });
    await world.send(ask(RESET), 'secret of Ann');
    const anybody = fc.record({
      tenant: fc.constantFrom('acme', 'globex', 'acme:default', ''),
      id: fc.constantFrom('ann@acme.example', 'bob', '', 'ANN@acme.example'),
      kind: fc.constantFrom('key' as const, 'jwt' as const, 'anonymous' as const),
    });
    await fc.assert(
      fc.asyncProperty(
        anybody,
        fc.constantFrom(RESET, REWORDED),
        fc.boolean(),
        async (who, said, stream) => {
          fc.pre(who.tenant !== ANN.tenant || who.id !== ANN.id || who.kind !== ANN.kind);
          const none = { cache: { ...DEFAULT_CACHE_CONTROLS, ttlSeconds: 0 } };
          const sent = await world.send(ask(said, { ...as(who), ...none, stream }), 'own');
          expect([sent.text, sent.fact?.verdict]).toEqual(['own', 'miss']);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('leak: neither keys nor stored values name a user', async () => {
    const world = await CacheWorld.open();
    await world.send(
      chatCall({ messages: [{ role: 'user', content: LOCK }], user: 'ann@acme.example' }),
    );
    const stored = JSON.stringify([[...world.keyv.rows], [...world.points.points.values()]]);
    expect(stored).toContain('acme:default:small');
    expect(stored).not.toContain('ann@');
  });

  it('over-isolation: a shared scope is shared, and the wire-level differences of two clients do not matter', async () => {
    const world = await CacheWorld.open({ cache: { scope: 'tenant' } });
    const messages = [{ role: 'user', content: LOCK }];
    await world.send(chatCall({ messages, user: 'ann', metadata: { trace: '1' } }));
    const bob = chatCall({ user: 'bob', stream: true, messages }, as({ id: 'bob', kind: 'jwt' }));
    expect((await world.send(bob)).fact?.verdict).toBe('hit');
    expect((await world.send(ask(LOCK, as({ tenant: 'globex' })))).fact?.verdict).toBe('miss');
  });

  it('over-isolation: `global` serves every tenant, in every tier, because the operator said so', async () => {
    const world = await CacheWorld.open({ cache: { scope: 'global' } });
    await world.send(ask(RESET));
    const globex = as({ tenant: 'globex', id: 'bob' });
    expect((await world.send(ask(RESET, globex))).fact).toMatchObject({ verdict: 'hit' });
    expect((await world.send(ask(REWORDED, globex))).fact).toMatchObject({ verdict: 'semantic' });
    const stored = JSON.stringify([[...world.keyv.rows], [...world.points.points.values()]]);
    // Clearing one tenant's entries must not touch what belongs to all.
    expect(stored).toContain('*:default:small');
    expect(stored).not.toContain('acme:');
  });

  it('leak: a model reserved for a tier does not leak through a shared scope', async () => {
    const world = await CacheWorld.open({
      cache: { scope: 'global' },
      reservedFor: ['premium'],
    });
    await world.send(ask(LOCK, as({ tier: 'premium' })));
    expect((await world.send(ask(LOCK, as({ tier: 'free' })))).fact?.verdict).toBe('miss');
  });

  it('leak: nor does it through two keys of one owner, nor through what an operator warmed', async () => {
    const world = await CacheWorld.open({
      cache: { warming: { queries: [{ model: 'small', prompt: LOCK }] } },
      reservedFor: ['premium', 'admin'],
    });
    const free = as({ tier: 'free' });
    await world.send(ask(RESET, as({ tier: 'premium' })));
    expect((await world.send(ask(RESET, free))).fact?.verdict).toBe('miss');
    const warm = ask(LOCK, { ...as({ kind: 'system', tier: 'admin' }), route: WARM_ROUTE });
    warm.journal.attempts.push({
      model: 'small',
      provider: 'p',
      startedAt: 0,
      outcome: 'completed',
    });
    await world.send(warm);
    expect((await world.send(ask(LOCK, as({ tier: 'premium' })))).fact?.verdict).toBe('hit');
    world.forgetMemory();
    expect((await world.send(ask(LOCK, free))).fact?.verdict).toBe('miss');
  });

  it('everything-matches: unrelated questions miss at the lowest threshold', async () => {
    const world = await CacheWorld.open({ cache: LOOSE });
    const questions = [
      'What is photosynthesis?',
      'How do I bake bread?',
      'Who painted the Mona Lisa?',
      'Why is the sky blue?',
      'Where do penguins live?',
      'Explain compound interest',
      'hello',
      '\u{1F600}',
      '...',
    ];
    for (const said of questions) {
      expect([said, (await world.send(ask(said), said)).fact?.verdict]).toEqual([said, 'miss']);
    }
  });

  it.each([
    ['opposite meaning', 'Which foods are safe for dogs?', 'Which foods are not safe for dogs?'],
    ['opposite meaning', 'How do I enable two factor login?', 'How do I disable two factor login?'],
    ['changed number', 'What is 15% of 200?', 'What is 18% of 200?'],
    ['changed operator', 'What is 6+3?', 'What is 6-3?'],
    ['changed entity', 'How far is it from Oslo?', 'How far is it from Bergen?'],
    ['changed order', 'Does the cat chase the dog?', 'Does the dog chase the cat?'],
    ['changed format', 'List the planets', 'List the planets as JSON'],
  ])('%s: %j does not answer %j', async (_name, stored, asked) => {
    const world = await CacheWorld.open({ cache: LOOSE });
    await world.send(ask(stored));
    const sent = await world.send(ask(asked));
    expect(sent.fact?.verdict).toBe('miss');
  });

  it('tells why a near match was refused', async () => {
    const world = await CacheWorld.open({ cache: LOOSE });
    await world.send(ask('What is 15% of 200 dollars in euros?'));
    const { fact } = await world.send(ask('What is 18% of 200 dollars in euros?'));
    expect(fact?.vetoes).toContain('number');
    expect(await world.metrics.registry.metrics()).toMatch(/vetoes_total\{reason="number"\} 1/);
  });

  it('agent-loop replay: the turn after a tool is always answered anew', async () => {
    const world = await CacheWorld.open({ cache: LOOSE });
    const messages = [
      { role: 'user', content: 'Find the cheapest flight' },
      { role: 'assistant', content: 'Looking.' },
      { role: 'tool', content: '[]' },
    ];
    for (let i = 0; i < 3; i++) {
      expect((await world.send(chatCall({ messages }))).fact?.verdict).toBe('bypass');
    }
    expect(world.upstreamCalls).toBe(3);
  });

  it('agent-loop replay: tool calls made for one wording do not answer another', async () => {
    const world = await CacheWorld.open({ cache: LOOSE });
    const call = answer([{ type: 'tool_call', id: 't', name: 'f', arguments: '{}' }], 'tool_calls');
    await world.send(ask(RESET), call);
    expect((await world.send(ask(RESET))).fact?.verdict).toBe('hit');
    expect((await world.send(ask(REWORDED))).fact?.verdict).toBe('miss');
  });

  it('a follow-up is not answered from the wrong conversation', async () => {
    const world = await CacheWorld.open({ cache: LOOSE });
    const rome = [
      'Tell me about ancient Rome',
      'Rome was a city.',
      'How large did it become in the end?',
    ];
    const whale = [
      'Describe a young blue whale',
      'It is big.',
      'How large did it become in the end?',
    ];
    await world.send(ask(rome), 'Five million square kilometres.');
    expect((await world.send(ask(whale))).fact?.verdict).toBe('miss');
    await world.send(ask([...rome.slice(0, 2), 'Why?']), 'Aqueducts.');
    expect((await world.send(ask([...whale.slice(0, 2), 'why']))).fact?.verdict).toBe('miss');
    expect((await world.send(ask(rome[2]!))).fact?.verdict).toBe('miss');
  });

  it('a follow-up about an answer is not answered from a conversation with another answer', async () => {
    const world = await CacheWorld.open({ cache: LOOSE });
    const after = (joke: string, said: string) => ask(['Tell me a joke about cats', joke, said]);
    const [one, other] = ['The cat sat on the mouse.', 'A dog walks into a bar.'];
    await world.send(after(one, 'Can you explain that joke in simple words?'), 'It is the cat.');
    const asked = 'Can you explain that joke in simple words, please?';
    expect((await world.send(after(other, asked))).fact?.verdict).toBe('miss');
    expect((await world.send(after(one, asked))).fact?.verdict).toBe('semantic');
  });

  it('who is speaking is part of the question', async () => {
    const world = await CacheWorld.open({ cache: LOOSE });
    const from = (name: string, content: string) =>
      chatCall({ messages: [{ role: 'user', name, content }] });
    await world.send(from('ann', RESET));
    expect((await world.send(from('bob', REWORDED))).fact?.verdict).toBe('miss');
    expect((await world.send(from('ann', REWORDED))).fact?.verdict).toBe('semantic');
  });

  it('other instructions, model, tools or temperature keep re-worded questions apart', async () => {
    const world = await CacheWorld.open({ cache: LOOSE });
    const said = (content: string, rest: object = {}, system = 'Be kind.') => ({
      messages: [
        { role: 'system', content: system },
        { role: 'user', content },
      ],
      ...rest,
    });
    await world.send(chatCall(said(RESET)));
    const others = [
      chatCall(said(REWORDED, {}, 'Be rude.'), wish({ ttlSeconds: 0 })),
      chatCall(said(REWORDED), { ...wish({ ttlSeconds: 0 }), model: 'large' }),
      chatCall(said(REWORDED, { tools: [{ name: 'f' }] }), wish({ ttlSeconds: 0 })),
      chatCall(said(REWORDED, { temperature: 0.9 }), wish({ ttlSeconds: 0 })),
      chatCall(said(REWORDED, { seed: 1 }), wish({ ttlSeconds: 0 })),
    ];
    for (const call of others) expect((await world.send(call)).fact?.verdict).toBe('miss');
    expect((await world.send(chatCall(said(REWORDED)))).fact?.verdict).toBe('semantic');
  });

  it('flush, then store, then hit', async () => {
    const world = await CacheWorld.open({ cache: LOOSE });
    await world.send(ask(RESET), 'old');
    expect(await world.storage.clear({})).toEqual({ l1: 1, l2: 1, semantic: 1 });
    expect((await world.send(ask(RESET), 'new')).fact?.verdict).toBe('miss');
    expect((await world.send(ask(RESET))).text).toBe('new');
    expect((await world.send(ask(REWORDED))).text).toBe('new');
  });

  it('clears one namespace and leaves the others', async () => {
    const world = await CacheWorld.open();
    await world.send(ask(LOCK, wish({ namespace: 'a' })));
    await world.send(ask(LOCK, wish({ namespace: 'b' })));
    expect(await world.storage.clear({ namespace: 'a' })).toEqual({ l1: 1, l2: 1, semantic: 1 });
    expect((await world.send(ask(LOCK, wish({ namespace: 'b' })))).fact?.verdict).toBe('hit');
  });
});
