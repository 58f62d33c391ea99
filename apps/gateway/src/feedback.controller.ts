import { Body, Controller, HttpCode, Post, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { FeedbackService } from '@sluice/routing';
import { feedbackRequest } from './admin/routing.contract.js';
import { checked } from './http/checked.js';
import { callerOf } from './http/request-state.js';

/** What callers say of their own answers. */
@Controller('v1/feedback')
export class FeedbackController {
  constructor(private readonly feedback: FeedbackService) {}

  /** `{request_id, score}` with 0 to 1, or `{request_id, rating}` with 1 to 5, `up` or `down`. */
  @Post()
  @HttpCode(200)
  async give(@Req() request: FastifyRequest, @Body() body: unknown): Promise<unknown> {
    const { requestId, score } = checked(feedbackRequest, body);
    await this.feedback.give(callerOf(request), requestId, score);
    return { object: 'feedback', request_id: requestId, score };
  }
}
