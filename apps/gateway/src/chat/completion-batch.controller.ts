import { Body, Controller, HttpCode, Post, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ConfigStore } from '@sluice/config';
import { chatContract } from '@sluice/contracts';
import { CompletionBatchRunner } from '@sluice/chat';
import { checked } from '../http/checked.js';
import { readCallHeaders, wishesOf } from '../http/call-headers.js';
import { clientSignal } from '../http/client-signal.js';
import { callerOf } from '../http/request-state.js';

@Controller('v1/completions')
export class CompletionBatchController {
  constructor(
    private readonly batches: CompletionBatchRunner,
    private readonly config: ConfigStore,
  ) {}

  @Post('batch')
  @HttpCode(200)
  async batch(
    @Body() raw: unknown,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<unknown> {
    const body = checked(chatContract.completionBatchRequest, raw);
    const { parallel, max_concurrent: maxConcurrent } = body.batch_options;
    const { results, usage } = await this.batches.run({
      items: body.requests,
      maxConcurrent: parallel ? maxConcurrent : 1,
      caller: callerOf(request),
      wishes: wishesOf(readCallHeaders(request.headers), request.headers),
      signal: clientSignal(reply),
      defaultModel: this.config.current.sluice.routing.default,
    });
    return {
      results,
      usage: {
        prompt_tokens: usage.input,
        completion_tokens: usage.output,
        total_tokens: usage.input + usage.output,
      },
    };
  }
}
