import { Injectable } from '@nestjs/common';
import { GatewayError, type ChatCall, type ChatMessage, type Target } from '@sluice/kernel';
import { ProviderRegistry } from '@sluice/providers';
import { EmbeddingClient, FreshAnswer, WarmRunner } from '@sluice/semantic-cache';
import { LatePipeline } from './late-pipeline.js';

/** The semantic cache's embeddings come from the providers room. */
@Injectable()
export class ProviderEmbeddings extends EmbeddingClient {
  constructor(private readonly providers: ProviderRegistry) {
    super();
  }

  async embed(
    request: Parameters<EmbeddingClient['embed']>[0],
  ): Promise<readonly (readonly number[])[]> {
    const adapter = await this.providers.adapter(request.provider);
    if (adapter.embed === undefined) {
      throw new GatewayError('invalid_request', `${request.provider} does not make embeddings.`);
    }
    const target: Target = {
      model: request.model,
      provider: request.provider,
      upstream: request.model,
      price: undefined,
      grade: undefined,
      capabilities: ['embeddings'],
      contextTokens: undefined,
      maxOutputTokens: undefined,
    };
    const { texts: inputs, dimensions } = request;
    const answer = await adapter.embed({ inputs, dimensions }, target, request.signal);
    return answer.vectors;
  }
}

@Injectable()
export class PipelineFreshAnswer extends FreshAnswer {
  constructor(private readonly pipeline: LatePipeline) {
    super();
  }

  async ask(call: ChatCall): Promise<ChatMessage> {
    return (await this.pipeline.again(call, 'shadow')).take();
  }

  async complete(model: string, prompt: string): Promise<ChatMessage> {
    const reply = await this.pipeline.ask({ model, text: prompt, route: 'judge', cached: false });
    return reply.take();
  }
}

@Injectable()
export class PipelineWarmRunner extends WarmRunner {
  constructor(private readonly pipeline: LatePipeline) {
    super();
  }

  async run(query: { readonly model: string; readonly prompt: string }): Promise<void> {
    const { model, prompt: text } = query;
    (await this.pipeline.ask({ model, text, route: 'warm', cached: true })).take();
  }
}
