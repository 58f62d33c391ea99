import type { SluiceConfigInput } from '@sluice/config';
import {
  DEFAULT_CACHE_CONTROLS,
  GatewayError,
  usage,
  uuidv7,
  type Caller,
  type Target,
} from '@sluice/kernel';
import {
  ProviderAdapter,
  type EmbeddingAnswer,
  type EmbeddingRequest,
  type ProviderAnswer,
} from '@sluice/providers';
import { CacheBindings, CacheIdentities } from '@sluice/semantic-cache';
import { SilentLogger } from '@sluice/observability';
import { PaidCallInterceptor, UsageInterceptor, type UsageEvent } from '@sluice/usage';
import { engineBench } from '../../providers/testing/engine.bench.js';
import { routingWorld } from '../../routing/testing/routing.world.js';
import { spendWorld } from '../../token-limits/testing/spend-world.js';
import { EmbeddingCache } from '../src/embedding.cache.js';
import type { EmbeddingOptions } from '../src/embedding.run.js';
import { EmbeddingService } from '../src/embedding.service.js';

export const ANN: Caller = { tenant: 'acme', id: 'ann', kind: 'key', tier: 'free', scopes: [] };

const MODEL = { retries: 0, price: { input: 1, output: 0 }, capabilities: ['embeddings' as const] };
/** `embed` costs one micro-USD a token; `spare` answers in its place. `alone` reads 1,000 tokens. `chatty` makes no vectors. */
const SLUICE: SluiceConfigInput = {
  providers: [
    { id: 'main', kind: 'sandbox' },
    { id: 'other', kind: 'sandbox' },
    { id: 'talk', kind: 'sandbox' },
  ],
  models: [
    { ...MODEL, id: 'embed', provider: 'main', fallbacks: ['spare'] },
    { ...MODEL, id: 'spare', provider: 'other' },
    { ...MODEL, id: 'alone', provider: 'main', contextTokens: 1_000 },
    { ...MODEL, id: 'chatty', provider: 'talk' },
  ],
  ensembles: [{ id: 'choir', models: ['embed', 'spare'] }],
};

/** Makes vectors that tell who made them and of which text: [maker, length]. A word is a token. */
export class TestEmbedder extends ProviderAdapter {
  readonly asked: EmbeddingRequest[] = [];
  /** Answers instead, when a test says so. */
  script: (
    request: EmbeddingRequest,
    signal: AbortSignal,
  ) => EmbeddingAnswer | Promise<EmbeddingAnswer> = (request) => this.answer(request);

  constructor(readonly maker: number) {
    super();
  }
  get batches(): EmbeddingRequest['inputs'][] {
    return this.asked.map(({ inputs }) => inputs);
  }
  answer({ inputs }: EmbeddingRequest): EmbeddingAnswer {
    const tokens = inputs.reduce(
      (sum, input) => sum + (typeof input === 'string' ? input.split(' ') : input).length,
      0,
    );
    return {
      vectors: inputs.map((input) => [this.maker, input.length]),
      usage: usage({ input: tokens }),
    };
  }
  override async embed(
    request: EmbeddingRequest,
    _target: Target,
    signal: AbortSignal,
  ): Promise<EmbeddingAnswer> {
    this.asked.push(request);
    return this.script(request, signal);
  }
  override chat(): Promise<ProviderAnswer> {
    return Promise.reject(new Error('nobody chats here'));
  }
  override close(): Promise<void> {
    return Promise.resolve();
  }
}

/** An adapter that only chats. */
class Chatty extends ProviderAdapter {
  override chat(): Promise<ProviderAnswer> {
    return Promise.reject(new Error('nobody chats here'));
  }
  override close(): Promise<void> {
    return Promise.resolve();
  }
}

/** The service among real rooms: routing, engine, limits, cache and usage; only upstreams and the spool are played. */
export function embeddingWorld(options: { readonly tokensPerDay?: number } = {}) {
  const policies = {
    tiers: { free: { tokens: { perDay: options.tokensPerDay ?? 100_000 } } },
  };
  const spend = spendWorld({ policies, sluice: SLUICE });
  const bench = engineBench(SLUICE);
  const main = new TestEmbedder(1);
  const other = new TestEmbedder(2);
  const adapters: Readonly<Record<string, ProviderAdapter>> = {
    main,
    other,
    talk: new Chatty(),
  };
  bench.registry.lease = async (id) => {
    const adapter = adapters[id];
    if (adapter === undefined) throw new Error(`no adapter ${id}`);
    return { adapter, release: () => undefined };
  };
  const events: UsageEvent[] = [];
  const spool = { full: false };
  const recorder = {
    note: () => undefined,
    record: async (event: UsageEvent) => void events.push(event),
    admit: () => {
      if (spool.full) throw new GatewayError('overloaded', 'Usage cannot be recorded.');
    },
  } as never;
  const { config } = bench;
  const history = { offer: () => undefined } as never;
  const { clock } = spend;
  const usageRoom = new UsageInterceptor(recorder, history, config, clock, new SilentLogger());
  const service = new EmbeddingService(
    usageRoom,
    spend.limits,
    new PaidCallInterceptor(recorder, config, clock),
    routingWorld(SLUICE).router,
    bench.runner,
    recorder,
    new EmbeddingCache(config, new CacheIdentities(config), clock, new CacheBindings()),
    bench.catalog,
  );
  return {
    main,
    other,
    clock,
    spool,
    embed: (changes: Partial<EmbeddingOptions> = {}) =>
      service.embed({
        id: uuidv7(),
        caller: ANN,
        cache: DEFAULT_CACHE_CONTROLS,
        model: 'embed',
        inputs: ['a text'],
        dimensions: undefined,
        extra: {},
        batchSize: 2,
        signal: new AbortController().signal,
        agent: undefined,
        startedAt: clock.monotonic(),
        route: '/v1/embeddings',
        ...changes,
      }),
    /** The usage events of the calls so far. */
    async events(): Promise<readonly UsageEvent[]> {
      usageRoom.flush();
      await new Promise(setImmediate);
      return events;
    },
    /** Ann's tokens of today: [spent, held]. */
    async tokens(): Promise<readonly [number, number] | undefined> {
      return (await spend.standing('caller:acme/ann'))['tokens/day'];
    },
    close: () => bench.close(),
  };
}
