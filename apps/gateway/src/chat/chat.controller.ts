import { Controller, HttpCode, Post, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ChatDoor } from './chat.door.js';

type Reply = FastifyReply;
type Request = FastifyRequest;

/**
 * The chat routes. Each is the same call in another dialect. The door sends by itself: Nest would put an iterator and a second
 * stream between an event stream and its socket.
 */
@Controller()
export class ChatController {
  constructor(private readonly door: ChatDoor) {}

  @Post('v1/chat/completions')
  @HttpCode(200)
  chatCompletions(@Req() request: Request, @Res() reply: Reply): Promise<void> {
    return this.door.answer('openai-chat', request, reply);
  }

  @Post('v1/messages')
  @HttpCode(200)
  messages(@Req() request: Request, @Res() reply: Reply): Promise<void> {
    return this.door.answer('anthropic', request, reply);
  }

  @Post('v1/responses')
  @HttpCode(200)
  responses(@Req() request: Request, @Res() reply: Reply): Promise<void> {
    return this.door.answer('openai-responses', request, reply);
  }

  @Post('v1/completions')
  @HttpCode(200)
  completions(@Req() request: Request, @Res() reply: Reply): Promise<void> {
    return this.door.answer('openai-completions', request, reply);
  }

  @Post('chat')
  @HttpCode(200)
  chat(@Req() request: Request, @Res() reply: Reply): Promise<void> {
    return this.door.answer('sluice', request, reply);
  }
}
