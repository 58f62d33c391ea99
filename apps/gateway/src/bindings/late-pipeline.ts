import { Injectable } from '@nestjs/common';
import type { ChatPipeline } from '@sluice/chat';
import {
  ChatCall,
  GatewayError,
  SYSTEM_CALLER,
  uuidv7,
  type ChatReply,
  type Prompt,
} from '@sluice/kernel';

const DEADLINE_MS = 120_000;

/**
 * The way of rooms inside the pipeline back to its door, for work on the gateway's own account. The cache is a
 * part of the pipeline and cannot be made of it, so the pipeline is handed in when both exist.
 */
@Injectable()
export class LatePipeline {
  #pipeline: ChatPipeline | undefined;

  connect(pipeline: ChatPipeline): void {
    this.#pipeline = pipeline;
  }

  /** The same request as `call`, on the gateway's own account, neither from the cache nor into it. */
  again(call: ChatCall, route: string, model = call.model): Promise<ChatReply> {
    return this.#run(
      call.with({
        id: uuidv7(),
        caller: { ...SYSTEM_CALLER, tenant: call.caller.tenant },
        model,
        route,
        stream: false,
        body: { ...call.body, stream: false, stream_options: undefined },
        signal: AbortSignal.timeout(DEADLINE_MS),
        cache: { mode: 'off', noStore: true, noCache: true },
        startedAt: performance.now(),
      }),
    );
  }

  /** A question of the gateway's own. */
  ask(question: {
    readonly model: string;
    readonly text: string;
    readonly route: string;
    readonly cached: boolean;
  }): Promise<ChatReply> {
    const prompt: Prompt = {
      messages: [{ role: 'user', parts: [{ type: 'text', text: question.text }] }],
    };
    return this.#run(
      new ChatCall({
        id: uuidv7(),
        caller: SYSTEM_CALLER,
        dialect: 'openai-chat',
        model: question.model,
        stream: false,
        body: { model: question.model, messages: [{ role: 'user', content: question.text }] },
        signal: AbortSignal.timeout(DEADLINE_MS),
        parse: () => prompt,
        route: question.route,
        ...(question.cached ? {} : { cache: { mode: 'off', noStore: true, noCache: true } }),
      }),
    );
  }

  #run(call: ChatCall): Promise<ChatReply> {
    if (this.#pipeline === undefined) {
      return Promise.reject(new GatewayError('overloaded', 'The gateway is still starting.'));
    }
    return this.#pipeline.run(call);
  }
}
