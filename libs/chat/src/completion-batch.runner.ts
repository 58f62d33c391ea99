import { Injectable } from '@nestjs/common';
import {
  ChatCall,
  NO_USAGE,
  addUsage,
  asGatewayError,
  uuidv7,
  type Caller,
  type ChatCallInit,
  type StopSignal,
  type Usage,
} from '@sluice/kernel';
import { ChatPipeline } from './pipeline.js';
import { WireCatalogue } from './wire/wire-catalogue.js';

export interface BatchOptions {
  readonly items: readonly Readonly<Record<string, unknown>>[];
  readonly maxConcurrent: number;
  readonly caller: Caller;
  /** What the request's headers ask for, of every item alike. */
  readonly wishes: Pick<ChatCallInit, 'agent' | 'cache' | 'session' | 'unsupported'>;
  readonly signal: StopSignal;
  /** The model for items that name none. */
  readonly defaultModel: string;
}

export interface BatchResult {
  readonly index: number;
  readonly status: number;
  readonly body?: Readonly<Record<string, unknown>>;
  readonly error?: Readonly<Record<string, unknown>>;
}

/** Many prompts at once. Each is a call of its own, through the whole pipeline, with its own usage row. */
@Injectable()
export class CompletionBatchRunner {
  constructor(
    private readonly pipeline: ChatPipeline,
    private readonly wires: WireCatalogue,
  ) {}

  /** Results in input order. One item's failure is its own result; nothing throws. */
  async run(options: BatchOptions): Promise<{ results: BatchResult[]; usage: Usage }> {
    const results: BatchResult[] = new Array<BatchResult>(options.items.length);
    let usage = NO_USAGE;
    let next = 0;
    const worker = async (): Promise<void> => {
      for (let index = next++; index < options.items.length; index = next++) {
        const [result, used] = await this.#one(index, options.items[index] ?? {}, options);
        results[index] = result;
        usage = addUsage(usage, used);
      }
    };
    await Promise.all(
      Array.from({ length: Math.min(options.maxConcurrent, options.items.length) }, worker),
    );
    return { results, usage };
  }

  async #one(
    index: number,
    item: Readonly<Record<string, unknown>>,
    options: BatchOptions,
  ): Promise<[BatchResult, Usage]> {
    const id = uuidv7();
    const wire = this.wires.get('messages' in item ? 'openai-chat' : 'openai-completions');
    try {
      const body = { model: options.defaultModel, ...item, stream: false };
      const parsed = wire.parse(body);
      const call = new ChatCall({
        id,
        caller: options.caller,
        dialect: wire.name,
        model: parsed.model,
        stream: false,
        body,
        signal: options.signal,
        parse: parsed.prompt,
        ...options.wishes,
        route: '/v1/completions/batch',
      });
      const reply = await this.pipeline.run(call);
      const passThrough = reply.wire?.dialect === wire.name ? reply.wire.body : undefined;
      const message = reply.take();
      const answer = passThrough ?? wire.format(message, call);
      return [{ index, status: 200, body: answer }, message.usage];
    } catch (thrown) {
      const error = asGatewayError(thrown);
      const shape = wire.error(error, id).error as Readonly<Record<string, unknown>>;
      return [{ index, status: error.status, error: shape }, NO_USAGE];
    }
  }
}
