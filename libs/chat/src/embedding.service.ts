import { Injectable } from '@nestjs/common';
import {
  ChatCall,
  ChatReply,
  GatewayError,
  NO_USAGE,
  addUsage,
  asGatewayError,
  type Caller,
  type ChatCallInit,
  type Target,
  type Usage,
} from '@sluice/kernel';
import { ModelCatalog } from '@sluice/model-catalog';
import { ProviderRegistry } from '@sluice/providers';
import { Router } from '@sluice/routing';
import { TokenLimitsInterceptor } from '@sluice/token-limits';
import { PaidCallInterceptor, UsageInterceptor } from '@sluice/usage';
import { compose } from './compose.js';
import { EmbeddingCache } from './embedding.cache.js';

export type EmbeddingInput = string | readonly number[];

export interface EmbeddingOptions {
  readonly id: string;
  readonly caller: Caller;
  readonly model: string;
  readonly inputs: readonly EmbeddingInput[];
  readonly dimensions: number | undefined;
  /** Texts sent upstream in one call. */
  readonly batchSize: number;
  readonly signal: AbortSignal;
  readonly agent: string | undefined;
  readonly startedAt: number;
  readonly route: string;
}

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
    private readonly providers: ProviderRegistry,
    private readonly catalog: ModelCatalog,
    private readonly cache: EmbeddingCache,
  ) {}

  async embed(options: EmbeddingOptions): Promise<EmbeddingResult> {
    const vectors = new Array<Float64Array | undefined>(options.inputs.length);
    let tokens = 0;
    let costMicroUsd = 0;
    const call = new ChatCall(callInit(options));
    const run = compose([this.usage, this.limits, this.paid], async (inner) => {
      const misses: number[] = [];
      options.inputs.forEach((input, i) => {
        const known = this.cache.get(options, input);
        if (known === undefined) misses.push(i);
        else {
          vectors[i] = known.vector;
          tokens += known.tokens;
        }
      });
      inner.journal.cache = { verdict: misses.length === 0 ? 'hit' : 'miss' };
      if (misses.length === 0) inner.journal.path = 'cache';
      let spent = NO_USAGE;
      for (let at = 0; at < misses.length; at += options.batchSize) {
        const batch = misses.slice(at, at + options.batchSize);
        const [usage, target] = await this.#ask(inner, options, batch, vectors);
        spent = addUsage(spent, usage);
        costMicroUsd += this.catalog.cost(usage, target.price);
      }
      tokens += spent.input;
      return ChatReply.message(
        { id: call.id, model: options.model, created: 0, choices: [], usage: spent },
        { bill: { usage: spent, costMicroUsd } },
      );
    });
    (await run(call)).take();
    return {
      vectors: vectors.map((vector) => {
        if (vector === undefined) {
          throw new GatewayError('upstream_error', 'The upstream left out an embedding.');
        }
        return vector;
      }),
      tokens,
      call,
      costMicroUsd,
    };
  }

  /** One batch, at the first target that answers. */
  async #ask(
    call: ChatCall,
    options: EmbeddingOptions,
    batch: readonly number[],
    into: (Float64Array | undefined)[],
  ): Promise<[Usage, Target]> {
    const inputs = batch.map((i) => options.inputs[i] ?? '');
    let failure: GatewayError | undefined;
    for (const target of new Set(this.router.route(call).attempts)) {
      const adapter = await this.providers.adapter(target.provider);
      if (adapter.embed === undefined) continue;
      await call.hold.cover(target);
      const fact: ChatCall['journal']['attempts'][number] = {
        model: target.model,
        provider: target.provider,
        startedAt: Date.now(),
      };
      call.journal.attempts.push(fact);
      const start = performance.now();
      try {
        const answer = await adapter.embed(
          {
            inputs,
            ...(options.dimensions === undefined ? {} : { dimensions: options.dimensions }),
          },
          target,
          options.signal,
        );
        if (answer.vectors.length !== inputs.length) {
          throw new GatewayError('upstream_error', 'The upstream left out an embedding.');
        }
        const share = answer.usage.input / inputs.length;
        answer.vectors.forEach((numbers, k) => {
          const vector = Float64Array.from(numbers);
          const index = batch[k] ?? 0;
          into[index] = vector;
          this.cache.set(options, inputs[k] ?? '', { vector, tokens: Math.round(share) });
        });
        Object.assign(fact, {
          outcome: 'completed',
          usage: answer.usage,
          costMicroUsd: this.catalog.cost(answer.usage, target.price),
        });
        return [answer.usage, target];
      } catch (thrown) {
        failure = asGatewayError(thrown);
        Object.assign(fact, { outcome: 'failed', errorCode: failure.code });
        if (options.signal.aborted || failure.code === 'invalid_request') throw failure;
      } finally {
        fact.durationMs = performance.now() - start;
        call.journal.upstreamMs += fact.durationMs;
      }
    }
    throw (
      failure ??
      new GatewayError(
        'invalid_request',
        `The model \`${options.model}\` does not make embeddings.`,
        { param: 'model' },
      )
    );
  }
}

function callInit(options: EmbeddingOptions): ChatCallInit {
  return {
    id: options.id,
    caller: options.caller,
    dialect: 'openai-chat',
    model: options.model,
    stream: false,
    body: {},
    signal: options.signal,
    startedAt: options.startedAt,
    route: options.route,
    ...(options.agent === undefined ? {} : { agent: options.agent }),
    parse: () => ({
      messages: options.inputs.map((input) => ({
        role: 'user' as const,
        // Token arrays are counted by their length: a placeholder of one token each.
        parts: [
          {
            type: 'text' as const,
            text: typeof input === 'string' ? input : ' a'.repeat(input.length),
          },
        ],
      })),
      maxTokens: 1,
    }),
  };
}
