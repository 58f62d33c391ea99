import { describe, expect, it } from '@jest/globals';
import {
  ChatChunk,
  ChatReply,
  GatewayError,
  usage,
  type AttemptFact,
  type Bill,
  type ChatCall,
  type ChatMessage,
  type Target,
} from '@sluice/kernel';
import { MemoryBank } from '../testing/memory-stores.js';
import { ann, callOf, large, root, small, spendWorld } from '../testing/spend-world.js';

const POLICIES = {
  tiers: {
    free: { tokens: { perDay: 3000, perMonth: 100_000 }, budget: { monthlyUsd: 0.05 } },
    admin: {},
  },
  system: { budget: { monthlyUsd: 1 } },
  throttle: { queue: { maxWaiting: 10, maxWait: '1s' } },
} as const;

const message: ChatMessage = { id: 'm', model: 'small', created: 0, choices: [], usage: usage({}) };
const bill = (input: number, output: number, costMicroUsd: number): Bill => ({
  usage: usage({ input, output }),
  costMicroUsd,
});
const answered = (b: Bill) => ChatReply.message(message, { bill: b });

function attempt(call: ChatCall, target: Target, ended: Partial<AttemptFact>): void {
  call.journal.attempts.push({
    model: target.model,
    provider: target.provider,
    startedAt: 0,
    ...ended,
  });
}

const NO_CHUNKS: AsyncIterable<ChatChunk> = {
  [Symbol.asyncIterator]: () => ({ next: async () => ({ done: true, value: undefined }) }),
};

async function drain(reply: ChatReply): Promise<void> {
  await Array.fromAsync(reply.chunks());
}

/** Every number of ann's limits and the system's. */
async function books(
  w: ReturnType<typeof spendWorld>,
): Promise<Record<string, readonly [number, number] | undefined>> {
  return {
    ...(await w.standing('caller:acme/ann')),
    system: (await w.standing('system'))['micro_usd/month'],
  };
}
const NOTHING = {
  'tokens/day': [0, 0],
  'tokens/month': [0, 0],
  'micro_usd/month': [0, 0],
  system: [0, 0],
};
const charged = (tokens: number, micro: number) => ({
  'tokens/day': [tokens, 0],
  'tokens/month': [tokens, 0],
  'micro_usd/month': [micro, 0],
  system: [micro, 0],
});

describe('the token limits interceptor', () => {
  it('reserves for an attempt and settles with what the reply took', async () => {
    const w = spendWorld({ policies: POLICIES });
    const reply = await w.limits.around(callOf(10, { maxTokens: 200 }), async (call) => {
      expect(await books(w)).toEqual(NOTHING);
      await call.hold.cover(small);
      expect(await books(w)).toEqual({
        'tokens/day': [0, 210],
        'tokens/month': [0, 210],
        'micro_usd/month': [0, 410],
        system: [0, 410],
      });
      return answered(bill(10, 50, 110));
    });
    reply.take();
    expect(await books(w)).toEqual(charged(60, 110));
    expect(w.engine.live).toBe(0);
  });

  it('asks the bank for the first call and keeps those after it waiting for nothing', async () => {
    const bank = new MemoryBank();
    const w = spendWorld({ policies: POLICIES, bank });
    const covered: unknown[] = [];
    for (let nth = 1; nth <= 3; nth += 1) {
      const reply = await w.limits.around(callOf(10, { maxTokens: 20 }), async (call) => {
        const step = call.hold.cover(small);
        covered.push(step);
        await step;
        return answered(bill(10, 5, 20));
      });
      reply.take();
    }
    expect(covered).toEqual([expect.any(Promise), undefined, undefined]);
    expect(await books(w)).toEqual(charged(45, 60));
  });

  it('says what a call will probably come to: the usual answer, and what earlier attempts have cost', async () => {
    const w = spendWorld({ policies: POLICIES });
    const ask = async (length: number) => {
      const call = callOf(10);
      const reply = await w.limits.around(call, async () => {
        await call.hold.cover(small);
        return answered(bill(10, length, 10 + 2 * length));
      });
      reply.take();
      return call.journal.expected;
    };
    // Nothing is known of this model yet: all that it may write.
    expect((await ask(30))?.usage).toMatchObject({ input: 10, output: 1000, estimated: true });
    await ask(50);
    expect((await ask(40))?.usage.output).toBe(40);

    const call = callOf(10);
    const failed = w.limits.around(call, async () => {
      await call.hold.cover(small);
      attempt(call, small, { outcome: 'failed', usage: usage({ input: 10 }), costMicroUsd: 10 });
      await call.hold.cover(large);
      throw new GatewayError('upstream_error', 'boom');
    });
    await expect(failed).rejects.toThrow('boom');
    expect(call.journal.expected?.earlier).toMatchObject({
      usage: { input: 10 },
      costMicroUsd: 10,
    });
  });

  it('reserves and charges nothing for an answer without an attempt', async () => {
    const w = spendWorld({ policies: POLICIES });
    (await w.limits.around(callOf(10), async () => answered(bill(0, 0, 0)))).take();
    expect(await books(w)).toEqual(NOTHING);
  });

  it.each<[string, (call: ChatCall) => Promise<ChatReply>, object]>([
    [
      'an upstream that answered 500 costs nothing',
      async (call) => {
        await call.hold.cover(small);
        attempt(call, small, { outcome: 'failed', status: 500 });
        throw new GatewayError('upstream_error', 'boom');
      },
      NOTHING,
    ],
    [
      'a timeout costs what its bill says',
      async (call) => {
        await call.hold.cover(small);
        throw new GatewayError('upstream_timeout', 'late', {
          bill: { usage: usage({ input: 10 }), costMicroUsd: 10 },
        });
      },
      charged(10, 10),
    ],
    [
      'a fault of our own gives everything back',
      async (call) => {
        await call.hold.cover(small);
        throw new TypeError('bug');
      },
      NOTHING,
    ],
    [
      'a fallback is reserved at its own price and both attempts are paid once',
      async (call) => {
        await call.hold.cover(small);
        attempt(call, small, { outcome: 'failed', usage: usage({ input: 10 }), costMicroUsd: 10 });
        await call.hold.cover(large);
        return answered(bill(20, 5, 210));
      },
      charged(25, 210),
    ],
    [
      'a retry after a failure that cost nothing keeps its reservation',
      async (call) => {
        await call.hold.cover(small);
        attempt(call, small, { outcome: 'failed', status: 503 });
        await call.hold.cover(small);
        return answered(bill(10, 5, 20));
      },
      charged(15, 20),
    ],
    [
      'an attempt still under way when another began is settled at the end',
      async (call) => {
        await call.hold.cover(small);
        attempt(call, small, {});
        await call.hold.cover(large);
        Object.assign(call.journal.attempts[0]!, {
          outcome: 'abandoned',
          usage: usage({ input: 10 }),
          costMicroUsd: 10,
        });
        return answered(bill(20, 0, 110));
      },
      charged(20, 110),
    ],
    [
      'what nobody had reserved is charged all the same',
      async () => answered(bill(7, 3, 9)),
      charged(10, 9),
    ],
  ])('%s', async (_name, next, expected) => {
    const w = spendWorld({ policies: POLICIES });
    const reply = await w.limits
      .around(callOf(10, { maxTokens: 100 }), next)
      .catch(() => undefined);
    reply?.take();
    expect(await books(w)).toEqual(expected);
    expect(w.engine.live).toBe(0);
  });

  const stream = (chunks: number, fail = false) => {
    async function* source() {
      for (let i = 0; i < chunks; i++) yield ChatChunk.of({ type: 'text', choice: 0, text: 'x' });
      if (fail) throw new GatewayError('upstream_error', 'cut');
    }
    return ChatReply.stream(source(), (outcome) => bill(10, outcome === 'completed' ? 3 : 2, 14));
  };

  it.each<[string, (reply: ChatReply) => Promise<void>, number]>([
    ['completed', (reply) => drain(reply), 13],
    ['failed after the first event', (reply) => drain(reply).catch(() => undefined), 12],
    ['left before the first pull', (reply) => reply.abandon(), 12],
    [
      'left midway',
      async (reply) => {
        for await (const _chunk of reply.chunks()) break;
      },
      12,
    ],
    [
      'ended twice',
      async (reply) => {
        await Array.fromAsync(reply.chunks());
        await reply.abandon();
      },
      13,
    ],
  ])('a stream that is %s is settled exactly once', async (name, read, tokens) => {
    const w = spendWorld({ policies: POLICIES });
    const reply = await w.limits.around(callOf(10, { maxTokens: 100 }), async (call) => {
      await call.hold.cover(small);
      return stream(3, name.startsWith('failed'));
    });
    await read(reply);
    expect(await books(w)).toEqual(charged(tokens, 14));
  });

  it('charges the period of the reservation when the reply ends after midnight', async () => {
    const w = spendWorld({ policies: POLICIES });
    w.clock.set(Date.UTC(2026, 0, 31, 23, 59, 59));
    const reply = await w.limits.around(callOf(10, { maxTokens: 50 }), async (call) => {
      await call.hold.cover(small);
      return answered(bill(10, 10, 30));
    });
    w.clock.advance(2000);
    reply.take();
    expect(await books(w)).toEqual(NOTHING);
    w.clock.set(Date.UTC(2026, 0, 31, 23, 59, 59));
    expect(await books(w)).toEqual(charged(20, 30));
  });

  it('frees nothing that was spent when the clock is set back, and charges nothing twice', async () => {
    const w = spendWorld({ policies: POLICIES });
    w.clock.set(Date.UTC(2026, 0, 20, 12));
    const spend = async () => {
      const reply = await w.limits.around(callOf(10, { maxTokens: 50 }), async (call) => {
        await call.hold.cover(small);
        w.clock.set(Date.UTC(2026, 0, 20, 11));
        return answered(bill(10, 10, 30));
      });
      reply.take();
    };
    await spend();
    expect(await books(w)).toEqual(charged(20, 30));
    await spend();
    expect(await books(w)).toEqual(charged(40, 60));
    // A day back: another day's tokens, but the same month's money.
    w.clock.set(Date.UTC(2026, 0, 19, 11));
    expect(await books(w)).toEqual({ ...charged(40, 60), 'tokens/day': [0, 0] });
    w.clock.set(Date.UTC(2026, 0, 20, 11));
    await w.engine.sweep();
    expect(await books(w)).toEqual(charged(40, 60));
  });

  it('refuses a second reservation of an ended call', async () => {
    const w = spendWorld({ policies: POLICIES });
    const call = callOf(1);
    (await w.limits.around(call, async () => answered(bill(0, 0, 0)))).take();
    await expect(call.hold.cover(small)).rejects.toThrow('has ended');
    expect(await books(w)).toEqual(NOTHING);
  });
});

/** Runs a call to its end; the error's code when it was refused. */
async function run(
  w: ReturnType<typeof spendWorld>,
  options: Parameters<typeof callOf>[1] & { words?: number; target?: Target; took?: Bill } = {},
): Promise<GatewayError | undefined> {
  const { words = 10, target = small, took = bill(10, 10, 30), ...init } = options;
  try {
    const reply = await w.limits.around(callOf(words, init), async (call) => {
      await call.hold.cover(target);
      return answered(took);
    });
    reply.take();
    return undefined;
  } catch (error) {
    return error as GatewayError;
  }
}

describe('refusals', () => {
  it('tell a spent budget from spent tokens, and never to retry', async () => {
    const w = spendWorld({ policies: POLICIES });
    expect(await run(w, { maxTokens: 100, took: bill(0, 0, 49_950) })).toBeUndefined();
    const money = await run(w, { maxTokens: 100 });
    expect(money).toMatchObject({
      code: 'budget_exhausted',
      shouldRetry: false,
      retryAfterMs: undefined,
    });
    expect(money?.facts).toEqual({ limit: 'caller:acme/ann micro_usd', headroom: 50 });
    const other = spendWorld({ policies: POLICIES });
    await run(other, { maxTokens: 100, took: bill(2900, 50, 10) });
    expect(await run(other, { maxTokens: 100 })).toMatchObject({
      code: 'token_limit',
      shouldRetry: false,
      retryAfterMs: undefined,
    });
    expect(await other.metrics.registry.metrics()).toContain(
      'sluice_limit_rejections_total{limit="tokens"} 1',
    );
  });

  it('do not make a call wait that is larger than the whole limit', async () => {
    const w = spendWorld({ policies: POLICIES });
    expect((await run(w, { words: 2990, maxTokens: 100 }))?.code).toBe('token_limit');
    expect(w.gate.waiting).toBe(0);
  });

  it('name what one request may not have', async () => {
    const policies = {
      ...POLICIES,
      providers: { sandbox: { models: { small: { maxInputTokens: 50, maxOutputTokens: 80 } } } },
    };
    const w = spendWorld({ policies, sluice: { limits: { promptTokens: 500 } } });
    expect(await run(w, { words: 51 })).toMatchObject({
      code: 'context_too_long',
      param: 'messages',
    });
    expect(await run(w, { maxTokens: 81 })).toMatchObject({
      code: 'invalid_request',
      param: 'max_tokens',
    });
    expect(await run(w, { words: 501, target: large })).toMatchObject({ code: 'context_too_long' });
    expect(await run(w, { words: 501, target: large, caller: root })).toBeUndefined();
    expect((await run(w, { caller: { ...ann, tier: 'gold' } }))?.message).toContain('"gold"');
    expect((await run(w, { target: { ...small, price: undefined } }))?.message).toContain(
      'has no price',
    );
  });

  it('measure texts to be embedded one by one, and all of them where the operator bounds the request', async () => {
    const policies = {
      ...POLICIES,
      providers: { sandbox: { models: { vectors: { maxInputTokens: 100 } } } },
    };
    const w = spendWorld({ policies, sluice: { limits: { promptTokens: 50 } } });
    const vectors: Target = { ...small, model: 'vectors', capabilities: ['embeddings'] };
    const texts = (count: number, words: number) => ({
      target: vectors,
      parse: () => ({
        messages: Array.from({ length: count }, () => ({
          role: 'user' as const,
          parts: [{ type: 'text' as const, text: Array(words).fill('x').join(' ') }],
        })),
      }),
    });
    expect(await run(w, texts(2, 48))).toBeUndefined();
    expect((await run(w, texts(1, 51)))?.message).toMatch(/^A text has 51 tokens; .* at most 50/);
    expect((await run(w, texts(4, 48)))?.message).toMatch(/^The prompt has 1\d\d tokens; .* 100/);
    const reads = { ...vectors, model: 'reads', contextTokens: 20 };
    expect(await run(w, { ...texts(9, 20), target: reads })).toBeUndefined();
    expect(await run(w, { ...texts(1, 21), target: reads })).toMatchObject({ param: 'messages' });
  });

  it('come from the bank being away only when the leased allowance does not suffice', async () => {
    const bank = new MemoryBank();
    const queue = { maxWait: '20ms' };
    const w = spendWorld({ policies: { ...POLICIES, throttle: { queue } }, bank });
    await run(w, { maxTokens: 10 });
    bank.failing = true;
    expect(await run(w, { maxTokens: 10 })).toBeUndefined();
    const refused = await run(w, { maxTokens: 900 });
    expect(refused).toMatchObject({ code: 'overloaded', retryAfterMs: 1000 });
    expect(w.engine.live).toBe(0);
  });
});

describe('calls that others hold out', () => {
  const holder = async (w: ReturnType<typeof spendWorld>) => {
    const reply = await w.limits.around(callOf(500, { maxTokens: 1000 }), async (call) => {
      await call.hold.cover(small);
      return answered(bill(500, 100, 700));
    });
    return reply;
  };

  it('wait, and go on as soon as room comes free', async () => {
    const w = spendWorld({ policies: POLICIES });
    const [a, b] = [await holder(w), await holder(w)];
    const waiting = run(w, { words: 500, maxTokens: 1000 });
    while (w.gate.waiting === 0) await new Promise(setImmediate);
    a.take();
    b.take();
    expect(await waiting).toBeUndefined();
    expect(w.gate.waiting).toBe(0);
  });

  it('are told to come back when the wait was too long, and hold nothing', async () => {
    const w = spendWorld({
      policies: { ...POLICIES, throttle: { queue: { maxWaiting: 10, maxWait: '50ms' } } },
    });
    const [a, b] = [await holder(w), await holder(w)];
    const refused = await run(w, { words: 500, maxTokens: 1000 });
    expect(refused).toMatchObject({ code: 'token_limit', shouldRetry: true });
    expect(refused?.retryAfterMs).toBeGreaterThanOrEqual(1000);
    expect(refused?.retryAfterMs).toBeLessThanOrEqual(30_000);
    a.take();
    b.take();
    expect((await books(w))['tokens/day']).toEqual([1200, 0]);
  });

  it('hold nothing when room comes in the moment in which their wait ends', async () => {
    const w = spendWorld({ policies: { ...POLICIES, throttle: { queue: { maxWait: '300ms' } } } });
    const [one, two] = [await holder(w), await holder(w)];
    const reserve = w.engine.reserve.bind(w.engine);
    let slow: Promise<unknown> | undefined;
    let answer: () => void = () => undefined;
    const answered = new Promise<void>((resolve) => (answer = resolve));
    w.engine.reserve = async (id, shares) => {
      if (!id.includes('.')) return reserve(id, shares);
      // The second try takes longer than the wait.
      await answered;
      const late = Promise.resolve(reserve(id, shares));
      slow = late;
      return late;
    };
    expect(await run(w, { maxTokens: 900 })).toMatchObject({ code: 'token_limit' });
    one.take();
    two.take();
    answer();
    await new Promise(setImmediate);
    await slow;
    await new Promise(setImmediate);
    expect(w.engine.live).toBe(0);
    expect((await books(w))['tokens/day']?.[1]).toBe(0);
  });

  it('free their place when the caller leaves', async () => {
    const w = spendWorld({ policies: POLICIES });
    const [a, b] = [await holder(w), await holder(w)];
    const leaver = new AbortController();
    const waiting = run(w, { words: 500, maxTokens: 1000, signal: leaver.signal });
    while (w.gate.waiting === 0) await new Promise(setImmediate);
    leaver.abort();
    expect((await waiting)?.code).toBe('client_closed');
    expect(w.gate.waiting).toBe(0);
    a.take();
    b.take();
  });

  it('are refused at once when there is no place', async () => {
    const w = spendWorld({ policies: { ...POLICIES, throttle: { queue: { maxWaiting: 0 } } } });
    const [a, b] = [await holder(w), await holder(w)];
    expect((await run(w, { words: 500, maxTokens: 1000 }))?.code).toBe('token_limit');
    a.take();
    b.take();
  });

  it('stop waiting when what they wait for is spent for good', async () => {
    const w = spendWorld({ policies: POLICIES });
    const replies = [];
    for (const tokens of [2300, 10]) {
      const reply = await w.limits.around(callOf(500, { maxTokens: 1000 }), async (call) => {
        await call.hold.cover(small);
        return answered(bill(tokens, 0, 1));
      });
      replies.push(reply);
    }
    const waiting = run(w, { words: 500, maxTokens: 1000 });
    while (w.gate.waiting === 0) await new Promise(setImmediate);
    replies[0]?.take();
    expect(await waiting).toMatchObject({ code: 'token_limit', shouldRetry: false });
    replies[1]?.take();
  });
});

describe('a stream that writes more than was estimated', () => {
  const begin = async (w: ReturnType<typeof spendWorld>, target = small) => {
    const call = callOf(10);
    const reply = await w.limits.around(call, async (c) => {
      await c.hold.cover(target);
      return ChatReply.stream(NO_CHUNKS, () => bill(10, 1, 1));
    });
    return { call, reply };
  };
  const endless: Target = { ...small, maxOutputTokens: undefined };

  it('is topped up while there is room, and stopped before it passes the limit', async () => {
    const w = spendWorld({ policies: POLICIES });
    const { call, reply } = await begin(w, endless);
    let written = 0;
    while ((await call.hold.progress(written)) === 'go') {
      written += 8;
      await new Promise(setImmediate);
      expect(written).toBeLessThan(5000);
    }
    expect(written).toBeGreaterThan(2000);
    expect(written).toBeLessThanOrEqual(3000);
    const [spent = 0, held = 0] = (await books(w))['tokens/day'] ?? [];
    expect(spent + held).toBeLessThanOrEqual(3000);
    await reply.abandon();
    expect(w.engine.live).toBe(0);
  });

  it('waits for its top-up, however much it writes at once, and ends only when there is none', async () => {
    const w = spendWorld({ policies: POLICIES });
    for (let i = 0; i < 10; i++) w.outputs.learn('small', 'caller:acme/ann', 8);
    const { call, reply } = await begin(w, endless);
    expect((await books(w))['tokens/day']?.[1]).toBeLessThan(30);
    const progress = call.hold.progress(1500);
    expect(progress).toBeInstanceOf(Promise);
    expect(await progress).toBe('go');
    expect((await books(w))['tokens/day']?.[1]).toBeGreaterThanOrEqual(1510);
    expect(await call.hold.progress(4000)).toBe('stop');
    await reply.abandon();
    expect(w.engine.live).toBe(0);
  });

  it('is not topped up beyond what the upstream can write', async () => {
    const w = spendWorld({ policies: POLICIES });
    const { call, reply } = await begin(w);
    expect(call.hold.progress(5000)).toBe('go');
    expect((await books(w))['tokens/day']).toEqual([0, 1010]);
    await reply.abandon();
  });

  it('runs free when no limit applies', async () => {
    const w = spendWorld({ policies: { tiers: { free: {} } } });
    const { call, reply } = await begin(w, endless);
    expect(call.hold.progress(1_000_000)).toBe('go');
    await reply.abandon();
  });
});

describe('estimates', () => {
  it('follow the recent answers of a caller and a model', async () => {
    const w = spendWorld({ policies: POLICIES });
    expect(w.outputs.forecast('small', 'caller:acme/ann').likely).toBe(1024);
    for (let i = 0; i < 20; i++) await run(w, { took: bill(1, 40, 1) });
    const learned = w.outputs.forecast('small', 'caller:acme/ann').likely;
    expect(learned).toBeGreaterThanOrEqual(40);
    expect(learned).toBeLessThan(64);
    expect(w.outputs.forecast('small', 'caller:acme/new').likely).toBe(learned);
    for (let i = 0; i < 600; i++) w.outputs.learn('small', 'caller:acme/ann', 700);
    expect(w.outputs.forecast('small', 'caller:acme/ann').likely).toBeGreaterThanOrEqual(700);
    w.outputs.learn('huge', 'x', 10_000_000);
  });

  it('take vectors for free and each choice for one answer', async () => {
    const w = spendWorld({ policies: POLICIES });
    const embedding: Target = { ...small, capabilities: ['embeddings'] };
    expect((await w.needs.of(callOf(10), embedding)).amounts).toEqual({
      input: 10,
      output: 0,
      microUsd: 10,
    });
    const twice = callOf(1, { parse: () => ({ messages: [], n: 3, maxTokens: 5 }) });
    expect((await w.needs.of(twice, small)).mostOutput).toBe(15);
  });
});

describe('a request that leaves', () => {
  it('is one whose call still runs: what has ended holds nothing that it could spend', async () => {
    const w = spendWorld({ policies: POLICIES });
    const call = callOf(10);
    const reply = await w.limits.around(call, async () => {
      await call.hold.cover(small);
      expect(() => call.hold.sending(small)).not.toThrow();
      return answered(bill(10, 5, 20));
    });
    reply.take();
    expect(() => call.hold.sending(small)).toThrow(
      expect.objectContaining({ code: 'client_closed' }),
    );
  });
});
