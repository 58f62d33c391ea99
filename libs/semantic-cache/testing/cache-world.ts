import { SoleProcess } from '@sluice/cluster';
import { configFromObjects, type ConfigStore, type SluiceConfigInput } from '@sluice/config';
import {
  ChatChunk,
  ChatReply,
  eventsOf,
  ManualClock,
  MessageAssembler,
  usage,
  type CacheFact,
  type ChatCall,
  type ChatMessage,
  type WireBody,
} from '@sluice/kernel';
import { DeferredWork, Metrics, SilentLogger } from '@sluice/observability';
import { DisabledRedisConnection } from '@sluice/redis';
import { CacheBindings } from '../src/cache-bindings.js';
import { CacheIdentities } from '../src/cache-identity.js';
import { CacheLookup } from '../src/cache-lookup.js';
import { CacheMetrics } from '../src/cache-metrics.js';
import { CacheStorage } from '../src/cache-storage.js';
import { CacheWriter } from '../src/cache-writer.js';
import { Chance } from '../src/control/chance.js';
import { ShadowChecks } from '../src/control/shadow-checks.js';
import { LookupWatch } from '../src/lookup-watch.js';
import { RecentHits } from '../src/recent-hits.js';
import { SemanticCacheInterceptor } from '../src/semantic-cache.interceptor.js';
import { SharedStores } from '../src/shared-stores.js';
import { PredictiveWarmer } from '../src/warming/predictive-warmer.js';
import { answer } from './cache-calls.js';
import { MemoryKeyvStore, MemoryVectorStore } from './memory-stores.js';
import { seeded } from './seeded.js';

type CacheInput = NonNullable<SluiceConfigInput['cache']>;

export interface WorldOptions {
  readonly cache?: CacheInput;
  /** Tiers for which the one model is reserved; none when left out. */
  readonly reservedFor?: string[];
  readonly env?: Readonly<Record<string, string>>;
}

export interface Sent {
  readonly message: ChatMessage;
  readonly text: string;
  readonly fact: CacheFact | undefined;
  readonly reply: ChatReply;
  /** Milliseconds until the reply was in hand. */
  readonly took: number;
}

export const COST = 1500;

class WorldStores extends SharedStores {
  constructor(
    config: ConfigStore,
    clock: ManualClock,
    private readonly keyv: MemoryKeyvStore,
    private readonly points: MemoryVectorStore,
  ) {
    super(config, clock, new SilentLogger(), new DisabledRedisConnection(), {}, new SoleProcess());
  }
  override second(): MemoryKeyvStore {
    return this.keyv;
  }
  override vectors(): MemoryVectorStore {
    return this.points;
  }
}

class SeededChance extends Chance {
  override readonly next = seeded(1);
}

/** The cache on stores in memory, in front of an upstream that counts its calls. */
export class CacheWorld {
  readonly clock = new ManualClock();
  readonly keyv = new MemoryKeyvStore();
  readonly points = new MemoryVectorStore();
  readonly bindings = new CacheBindings();
  readonly metrics = new Metrics();
  readonly deferred = new DeferredWork(new SilentLogger());
  readonly storage: CacheStorage;
  readonly identities: CacheIdentities;
  readonly checks: ShadowChecks;
  readonly writer: CacheWriter;
  readonly interceptor: SemanticCacheInterceptor;
  upstreamCalls = 0;

  private constructor(config: ConfigStore) {
    const { clock, deferred, bindings } = this;
    const metrics = new CacheMetrics(this.metrics);
    const stores = new WorldStores(config, clock, this.keyv, this.points);
    this.storage = new CacheStorage(config, clock, deferred, metrics, bindings, stores);
    this.identities = new CacheIdentities(config);
    this.checks = new ShadowChecks(config, bindings, deferred, metrics, new SeededChance());
    const predictor = new PredictiveWarmer(config, this.storage, deferred);
    const watch = new LookupWatch(metrics, this.checks, predictor);
    this.writer = new CacheWriter(config, clock, this.storage, this.checks);
    this.interceptor = new SemanticCacheInterceptor(
      config,
      this.identities,
      new CacheLookup(config, clock, this.identities, this.storage, watch),
      this.writer,
      new RecentHits(),
    );
  }

  static async open({ cache = {}, reservedFor, env = {} }: WorldOptions = {}): Promise<CacheWorld> {
    const small = { id: 'small', provider: 'p', price: { input: 1, output: 1 } };
    const config = configFromObjects({
      sluice: {
        cache,
        providers: [{ id: 'p', kind: 'sandbox' }],
        models: [reservedFor === undefined ? small : { ...small, tiers: reservedFor }],
      },
      policies: { tiers: Object.fromEntries((reservedFor ?? []).map((tier) => [tier, {}])) },
      env: { SLUICE_KEY_PEPPER: 'pepper', ...env },
    });
    const world = new CacheWorld(config);
    await world.identities.onModuleInit();
    const { sluice } = config.current;
    await world.storage.semantic.open(sluice.cache, sluice.embedders);
    return world;
  }

  /** Sends a call, reads its answer, and waits until it is stored. */
  async send(call: ChatCall, fresh: string | ChatMessage = 'A.', wire?: WireBody): Promise<Sent> {
    const message = typeof fresh === 'string' ? answer(fresh) : fresh;
    const started = performance.now();
    const reply = await this.interceptor.around(call, () => {
      this.upstreamCalls++;
      return Promise.resolve(replyOf(message, call.stream, wire));
    });
    const took = performance.now() - started;
    const read = await readReply(reply);
    await this.settle();
    const part = read.choices[0]?.parts.find((p) => p.type === 'text');
    return { message: read, text: part?.text ?? '', fact: call.journal.cache, reply, took };
  }

  /** Waits until everything is stored and checked that the calls so far have left behind. */
  async settle(): Promise<void> {
    await this.writer.written();
    await this.deferred.drain(5000);
  }

  /** A restart of the process: memory is empty, the stores are as they were. */
  forgetMemory(): void {
    this.storage.memory.clear(undefined);
  }
}

function replyOf(message: ChatMessage, stream: boolean, wire: WireBody | undefined): ChatReply {
  const bill = { usage: usage({ input: 12, output: 34 }), costMicroUsd: COST };
  if (!stream) return ChatReply.message(message, { bill, ...(wire === undefined ? {} : { wire }) });
  const chunks = async function* (): AsyncGenerator<ChatChunk> {
    for (const event of eventsOf(message)) {
      await Promise.resolve();
      yield ChatChunk.of(event);
    }
  };
  return ChatReply.stream(chunks(), () => ({ ...bill, message: () => message }));
}

async function readReply(reply: ChatReply): Promise<ChatMessage> {
  if (reply.kind === 'message') return reply.take();
  const assembler = new MessageAssembler();
  for await (const chunk of reply.chunks()) assembler.add(chunk);
  return assembler.message();
}
