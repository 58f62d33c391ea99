import { Body, Controller, Get, HttpCode, Post, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { TokenCountService } from '@sluice/chat';
import { Public } from '@sluice/auth';
import { readCallHeaders } from '../http/call-headers.js';
import { clientSignal } from '../http/client-signal.js';
import { callerOf } from '../http/request-state.js';

/** What Claude Code asks besides messages. */
@Controller()
export class CountTokensController {
  constructor(private readonly tokens: TokenCountService) {}

  @Post('v1/messages/count_tokens')
  @HttpCode(200)
  async count(
    @Body() body: unknown,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<unknown> {
    const count = await this.tokens.count({
      body,
      raw: request.rawBody,
      caller: callerOf(request),
      forwardHeaders: readCallHeaders(request.headers).forward,
      signal: clientSignal(reply),
    });
    reply.header('x-sluice-token-count', count.by);
    return count.body;
  }

  /** Claude Code's probe; Fastify answers HEAD with the headers of GET. */
  @Get('api/hello')
  @Public()
  hello(): { status: 'ok' } {
    return { status: 'ok' };
  }
}
