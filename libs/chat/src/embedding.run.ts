import {
  GatewayError,
  NO_USAGE,
  addUsage,
  amended,
  asGatewayError,
  usage,
  type CacheControls,
  type Caller,
  type ChatCall,
  type Prompt,
  type ReplyEnd,
  type SpentBill,
  type StopSignal,
  type Target,
} from '@sluice/kernel';
import type { ModelCatalog } from '@sluice/model-catalog';
import type { AttemptRunner, EmbeddingAnswer, Question } from '@sluice/providers';
import type { CachedEmbedding, EmbeddingCache } from './embedding.cache.js';

export type EmbeddingInput = string | readonly number[];

export interface EmbeddingOptions {
  readonly id: string;
  readonly caller: Caller;
  readonly cache: CacheControls;
  readonly model: string;
  readonly inputs: readonly EmbeddingInput[];
  readonly dimensions: number | undefined;
  /** The body's other fields: a server may know more of them than OpenAI does (`input_type`, `truncate`). */
  readonly extra: Readonly<Record<string, unknown>>;
  /** Texts sent upstream in one call. */
  readonly batchSize: number;
  readonly signal: StopSignal;
  readonly agent: string | undefined;
  readonly startedAt: number;
  readonly route: string;
}

/**
 * One request's way to its vectors. Vectors of two models mean nothing to each other, so all of one request are made by one
 * model: the one that answered first. The engine of chat calls asks: slots, breakers, repeats, fallbacks, deadlines.
 */
export class EmbeddingRun {
  readonly #settings: string;
  readonly #generation: number;
  readonly #found: (CachedEmbedding | undefined)[];
  #prompt: Prompt;
  /** What upstreams have taken so far. */
  #spent: SpentBill = { usage: NO_USAGE, costMicroUsd: 0 };

  constructor(
    private readonly options: EmbeddingOptions,
    private readonly call: ChatCall,
    private readonly cache: EmbeddingCache,
    private readonly attempts: AttemptRunner,
    private readonly catalog: ModelCatalog,
  ) {
    this.#settings = settingsOf(options);
    this.#generation = cache.generation;
    this.#found = options.inputs.map((input) => cache.get(call, this.#settings, input));
    this.#prompt = promptOf(this.#inputs(this.misses));
  }

  /**
   * What is counted before its cost is known. At first every text that is not cached: nobody begins what the limits do not
   * let end. Then the batch under way: its hold, and the bill of a try that is cut short.
   */
  get prompt(): Prompt {
    return this.#prompt;
  }

  get spent(): SpentBill {
    return this.#spent;
  }
  get misses(): number[] {
    return this.#found.flatMap((known, at) => (known === undefined ? [at] : []));
  }
  /** Of all inputs, cached ones at what they took when they were embedded. */
  get tokens(): number {
    return this.#found.reduce((sum, known) => sum + (known?.tokens ?? 0), 0);
  }
  get vectors(): Float64Array[] {
    return this.#found.map((known) => {
      if (known === undefined) throw leftOut();
      return known.vector;
    });
  }

  /** @throws GatewayError of the attempts, with `bill` for the batches that were answered before */
  async fill(call: ChatCall, targets: readonly Target[]): Promise<void> {
    try {
      await this.#fill(call, targets);
    } catch (thrown) {
      const error = asGatewayError(thrown);
      const last = error.bill ?? { usage: NO_USAGE, costMicroUsd: 0 };
      throw amended(error, {
        bill: {
          usage: addUsage(this.#spent.usage, last.usage),
          costMicroUsd: this.#spent.costMicroUsd + last.costMicroUsd,
        },
      });
    }
  }

  async #fill(call: ChatCall, targets: readonly Target[]): Promise<void> {
    const { batchSize, model: wanted } = this.options;
    const next = (): number[] => this.misses.slice(0, batchSize);
    let open = targets;
    for (let batch = next(); batch.length > 0; batch = next()) {
      const model = await this.#ask(call, open, batch);
      // A fallback answers: what the cache held is of another model.
      if (open === targets && model !== wanted) this.#forgetOthers(batch);
      open = targets.filter((target) => target.model === model);
      this.#prompt = promptOf(this.#inputs(next()));
    }
  }

  #forgetOthers(kept: readonly number[]): void {
    this.#found.forEach((_, at) => {
      if (!kept.includes(at)) this.#found[at] = undefined;
    });
  }

  /** One batch. Tells which model answered. */
  async #ask(
    call: ChatCall,
    targets: readonly Target[],
    batch: readonly number[],
  ): Promise<string> {
    const answers = new Map<string, EmbeddingAnswer>();
    const reply = await this.attempts.run(call, targets, this.#question(batch, answers));
    reply.observe({ onEnd: (end) => this.#pay(end) });
    const { model } = reply.take();
    const answer = answers.get(model);
    if (answer === undefined) throw leftOut();
    batch.forEach((at, k) => {
      const tokens = share(answer.usage.input, batch.length, k);
      const embedding = { vector: Float64Array.from(answer.vectors[k] ?? []), tokens };
      this.#found[at] = embedding;
      if (model === this.options.model) {
        const kept = { ...embedding, generation: this.#generation };
        this.cache.set(this.call, this.#settings, this.options.inputs[at] ?? '', kept);
      }
    });
    return model;
  }

  #question(batch: readonly number[], answers: Map<string, EmbeddingAnswer>): Question {
    const { dimensions, extra } = this.options;
    const inputs = this.#inputs(batch);
    const prompt = promptOf(inputs);
    const request = { inputs, extra, ...(dimensions === undefined ? {} : { dimensions }) };
    return async (adapter, call, target, signal) => {
      if (adapter.embed === undefined) throw makesNone(target.model);
      call.hold.sending(target);
      this.#prompt = prompt;
      const answer = await this.#counted(await adapter.embed(request, target, signal));
      if (answer.vectors.length !== inputs.length) throw leftOut();
      answers.set(target.model, answer);
      const { model } = target;
      const message = { id: call.id, model, created: 0, choices: [], usage: answer.usage };
      return { kind: 'message', message };
    };
  }

  /** Not every upstream tells what its vectors took: then this batch is counted here. */
  async #counted(answer: EmbeddingAnswer): Promise<EmbeddingAnswer> {
    if (answer.usage.input > 0) return answer;
    const input = await this.catalog.countPrompt(this.#prompt);
    return { ...answer, usage: usage({ input, estimated: true }) };
  }

  #inputs(places: readonly number[]): EmbeddingInput[] {
    return places.map((at) => this.options.inputs[at] ?? '');
  }

  #pay({ usage: used, costMicroUsd }: ReplyEnd): void {
    this.#spent = {
      usage: addUsage(this.#spent.usage, used),
      costMicroUsd: this.#spent.costMicroUsd + costMicroUsd,
    };
  }
}

/** All that makes another vector of the same text. */
function settingsOf({ dimensions, extra }: EmbeddingOptions): string {
  const { user: _user, ...rest } = extra;
  return JSON.stringify([dimensions ?? null, rest]);
}

function promptOf(inputs: readonly EmbeddingInput[]): Prompt {
  return {
    messages: inputs.map((input) => ({
      role: 'user',
      // Token arrays are counted by their length: a placeholder of one token each.
      parts: [
        { type: 'text', text: typeof input === 'string' ? input : ' a'.repeat(input.length) },
      ],
    })),
    maxTokens: 1,
  };
}

/** Whole tokens for each input, and together what the upstream reported. */
function share(total: number, inputs: number, at: number): number {
  return Math.floor(total / inputs) + (at < total % inputs ? 1 : 0);
}

export function makesNone(model: string): GatewayError {
  return new GatewayError('invalid_request', `The model \`${model}\` does not make embeddings.`, {
    param: 'model',
  });
}

function leftOut(): GatewayError {
  return new GatewayError('upstream_error', 'The upstream left out an embedding.');
}
