import { afterAll, afterEach, describe, expect, it, jest } from '@jest/globals';
import { GatewayError, type Caller, type StopSignal, type Target } from '@sluice/kernel';
import { ProviderAdapter, type ProviderAnswer } from '@sluice/providers';
import { engineBench } from '../../providers/testing/engine.bench.js';
import { TestLogger } from '../../routing/testing/routing.world.js';
import { TokenCountService, type CountQuestion } from './token-count.service.js';

const ANN: Caller = { tenant: 'acme', id: 'ann', kind: 'key', tier: 'free', scopes: [] };
const BODY = { model: 'claude', messages: [{ role: 'user', content: 'How many tokens is this?' }] };

/** Counts as the test says. */
class CountingAdapter extends ProviderAdapter {
  readonly asked: Parameters<NonNullable<ProviderAdapter['count']>>[] = [];
  script: (signal: StopSignal) => Promise<Readonly<Record<string, unknown>> | undefined> = () =>
    Promise.resolve({ input_tokens: 4711, context_management: {} });
  override count(...asked: Parameters<NonNullable<ProviderAdapter['count']>>) {
    this.asked.push(asked);
    return this.script(asked[2]);
  }
  override chat(): Promise<ProviderAnswer> {
    return Promise.reject(new Error('nobody chats here'));
  }
  override close(): Promise<void> {
    return Promise.resolve();
  }
}

const bench = engineBench(
  {
    providers: [
      { id: 'anthropic', kind: 'sandbox' },
      { id: 'keyless', kind: 'openai' },
    ],
    models: [
      { id: 'claude', provider: 'anthropic', upstream: 'claude-4', tiers: ['free'] },
      { id: 'unpaid', provider: 'keyless' },
    ],
  },
  undefined,
  { policies: { tiers: { free: {}, guest: {} } } },
);
let adapter = new CountingAdapter();
let logger = new TestLogger();
let leased = 0;
let broken: Error | undefined;
bench.registry.lease = () => {
  if (broken !== undefined) return Promise.reject(broken);
  leased++;
  return Promise.resolve({ adapter, release: () => leased-- });
};
afterEach(() => {
  expect(leased).toBe(0);
  adapter = new CountingAdapter();
  logger = new TestLogger();
  broken = undefined;
  jest.restoreAllMocks();
});
afterAll(() => bench.close());

const count = (changes: Partial<CountQuestion> = {}) =>
  new TokenCountService(bench.config, bench.catalog, bench.registry, logger).count({
    body: BODY,
    raw: undefined,
    caller: ANN,
    forwardHeaders: { 'anthropic-beta': 'b1' },
    signal: new AbortController().signal,
    ...changes,
  });
/** As both limits and this service count: three for the message, three for the answer, and its text. */
const HERE = { by: 'gateway', body: { input_tokens: 3 + 3 + 6 } };
const hangs = (signal: StopSignal) =>
  new Promise<never>((_, reject) => {
    if (signal.aborted) reject(new Error('aborted'));
    signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true });
  });

describe('how many tokens a prompt has', () => {
  it('is what its provider says, word for word', async () => {
    expect(await count()).toEqual({
      by: 'upstream',
      body: { input_tokens: 4711, context_management: {} },
    });
    const [request, target] = adapter.asked[0]!;
    expect(request).toEqual({
      dialect: 'anthropic',
      body: BODY,
      raw: undefined,
      forwardHeaders: { 'anthropic-beta': 'b1' },
    });
    expect((target satisfies Target).upstream).toBe('claude-4');
  });

  it('is counted here where the provider has no answer in this dialect', async () => {
    adapter.script = () => Promise.resolve(undefined);
    expect(await count()).toEqual(HERE);
    Object.assign(adapter, { count: undefined });
    expect(await count()).toEqual(HERE);
    expect(logger.lines).toEqual([]);
  });

  it.each<[string, Partial<CountQuestion>]>([
    ['only a route decides', { body: { ...BODY, model: 'auto' } }],
    ['nobody named', { body: { messages: BODY.messages } }],
    ['is not for this caller', { caller: { ...ANN, tier: 'guest' } }],
    ['belongs to a provider without a key', { body: { ...BODY, model: 'unpaid' } }],
  ])('is counted here for a model that %s: its provider hears nothing', async (_which, asked) => {
    expect(await count(asked)).toEqual(HERE);
    expect(adapter.asked).toEqual([]);
  });

  it('is not told of what is no prompt', async () => {
    await expect(count({ body: [] })).rejects.toMatchObject({ code: 'invalid_request' });
    await expect(count({ body: { model: 'claude', messages: 'hi' } })).rejects.toMatchObject({
      param: 'messages',
    });
    expect(adapter.asked).toEqual([]);
  });
});

describe('a provider that does not count', () => {
  it.each(['invalid_request', 'unprocessable', 'context_too_long', 'body_too_large'] as const)(
    'because of the question (%s) has answered it: the caller reads its words',
    async (code) => {
      const refusal = new GatewayError(code, 'messages.0: too strange');
      adapter.script = () => Promise.reject(refusal);
      await expect(count()).rejects.toBe(refusal);
    },
  );

  it.each([
    ['it is busy', new GatewayError('rate_limited', 'slow down')],
    ['it is down', new GatewayError('upstream_error', 'down')],
    ['it does not like our key', new GatewayError('unauthorized', 'who are you?')],
    ['of a bug of ours', new TypeError('bug')],
  ])('because %s is got around', async (_why, error) => {
    adapter.script = () => Promise.reject(error);
    expect(await count()).toEqual(HERE);
    expect(logger.lines).toMatchObject([
      {
        level: 'warn',
        message: 'tokens are counted here instead',
        fields: { provider: 'anthropic' },
      },
    ]);
  });

  it('as its adapter cannot be had is got around as well', async () => {
    broken = new Error('the adapter could not be loaded');
    expect(await count()).toEqual(HERE);
  });

  it('is waited for five seconds, and no longer', async () => {
    const patience = new AbortController();
    const timeout = jest.spyOn(AbortSignal, 'timeout').mockReturnValue(patience.signal);
    adapter.script = (signal) => {
      patience.abort();
      return hangs(signal);
    };
    expect(await count()).toEqual(HERE);
    expect(timeout).toHaveBeenCalledWith(5_000);
  });

  it('is let go when the caller leaves: then nobody wants a number', async () => {
    const leaving = new AbortController();
    adapter.script = (signal) => {
      leaving.abort();
      return hangs(signal);
    };
    await expect(count({ signal: leaving.signal })).rejects.toMatchObject({
      code: 'client_closed',
    });
    expect(logger.lines).toEqual([]);
  });
});
