import { Controller, HttpCode, Post, Req, UseInterceptors } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { ChatPipeline } from '@sluice/chat';
import { GatewayError, type ChatReply } from '@sluice/kernel';
import { IdempotencyInterceptor } from './idempotency.interceptor.js';
import { WireInterceptor } from './wire.interceptor.js';
import { Wire } from './wire.decorator.js';

/** The chat routes. Each is the same call in another dialect. */
@Controller()
@UseInterceptors(IdempotencyInterceptor, WireInterceptor)
export class ChatController {
  constructor(private readonly pipeline: ChatPipeline) {}

  @Post('v1/chat/completions')
  @HttpCode(200)
  @Wire('openai-chat')
  chatCompletions(@Req() request: FastifyRequest): Promise<ChatReply> {
    return this.#run(request);
  }

  @Post('v1/messages')
  @HttpCode(200)
  @Wire('anthropic')
  messages(@Req() request: FastifyRequest): Promise<ChatReply> {
    return this.#run(request);
  }

  @Post('v1/responses')
  @HttpCode(200)
  @Wire('openai-responses')
  responses(@Req() request: FastifyRequest): Promise<ChatReply> {
    return this.#run(request);
  }

  @Post('v1/completions')
  @HttpCode(200)
  @Wire('openai-completions')
  completions(@Req() request: FastifyRequest): Promise<ChatReply> {
    return this.#run(request);
  }

  @Post('chat')
  @HttpCode(200)
  @Wire('sluice')
  chat(@Req() request: FastifyRequest): Promise<ChatReply> {
    return this.#run(request);
  }

  #run(request: FastifyRequest): Promise<ChatReply> {
    const call = request.chatCall;
    if (call === undefined) {
      throw new GatewayError('internal', 'The chat route has no wire interceptor.');
    }
    return this.pipeline.run(call);
  }
}
