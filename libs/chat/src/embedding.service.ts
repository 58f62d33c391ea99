import { Injectable } from '@nestjs/common';
import { ChatCall, ChatReply, type ChatCallInit, type Prompt } from '@sluice/kernel';
import { ModelCatalog } from '@sluice/model-catalog';
import { AttemptRunner } from '@sluice/providers';
import { Router } from '@sluice/routing';
import { TokenLimitsInterceptor } from '@sluice/token-limits';
import { PaidCallInterceptor, UsageInterceptor, UsageRecorder } from '@sluice/usage';
import { compose } from './compose.js';
import { EmbeddingCache } from './embedding.cache.js';
import { EmbeddingRun, makesNone, type EmbeddingOptions } from './embedding.run.js';

export interface EmbeddingResult {
  readonly vectors: readonly Float64Array[];
  /** Tokens of all inputs, cached ones included at what they took when they were embedded. */
  readonly tokens: number;
  readonly call: ChatCall;
  readonly costMicroUsd: number;
}

/**
 * Embeddings: cached by text, billed and limited like every other call. Only the texts that are not cached
 * go upstream, in batches; the order of the input is kept.
 */
@Injectable()
export class EmbeddingService {
  constructor(
    private readonly usage: UsageInterceptor,
    private readonly limits: TokenLimitsInterceptor,
    private readonly paid: PaidCallInterceptor,
    private readonly router: Router,
    private readonly attempts: AttemptRunner,
    private readonly recorder: UsageRecorder,
    private readonly cache: EmbeddingCache,
    private readonly catalog: ModelCatalog,
  ) {}

  async embed(options: EmbeddingOptions): Promise<EmbeddingResult> {
    const call: ChatCall = new EmbeddingCall(callInit(options), () => run.prompt);
    const run = new EmbeddingRun(options, call, this.cache, this.attempts, this.catalog);
    const handle = compose([this.usage, this.limits, this.paid], async (inner) => {
      const hit = run.misses.length === 0;
      const missed = this.cache.isFor(call) ? 'miss' : 'bypass';
      inner.journal.cache = { verdict: hit ? 'hit' : missed };
      if (hit) inner.journal.path = 'cache';
      else {
        // What cannot be written down must not be spent: answers from the cache go on.
        this.recorder.admit();
        const { attempts } = this.router.route(inner, 'embeddings');
        if (attempts.length === 0) throw makesNone(options.model);
        await run.fill(inner, attempts);
      }
      return ChatReply.message(
        { id: call.id, model: options.model, created: 0, choices: [], usage: run.spent.usage },
        { bill: run.spent },
      );
    });
    (await handle(call)).take();
    return {
      vectors: run.vectors,
      tokens: run.tokens,
      call,
      costMicroUsd: run.spent.costMicroUsd,
    };
  }
}

/** Its prompt is what is to be embedded now: not what is cached, and batch after batch. */
class EmbeddingCall extends ChatCall {
  constructor(
    init: Omit<ChatCallInit, 'parse'>,
    private readonly now: () => Prompt,
  ) {
    super({ ...init, parse: now });
  }

  override get prompt(): Prompt {
    return this.now();
  }
}

function callInit(options: EmbeddingOptions): Omit<ChatCallInit, 'parse'> {
  return {
    id: options.id,
    caller: options.caller,
    cache: options.cache,
    dialect: 'openai-chat',
    model: options.model,
    stream: false,
    body: {},
    signal: options.signal,
    startedAt: options.startedAt,
    route: options.route,
    ...(options.agent === undefined ? {} : { agent: options.agent }),
  };
}
