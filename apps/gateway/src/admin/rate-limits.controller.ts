import { Body, Controller, HttpCode, Post, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { AdminOnly } from '@sluice/auth';
import { GatewayError } from '@sluice/kernel';
import { RateOverrides } from '@sluice/rate-limit';
import { checked } from '../http/checked.js';
import { callerOf } from '../http/request-state.js';

const LONGEST_MS = 31 * 86_400_000;

export const overrideRequest = z
  .strictObject({
    subject: z.string().min(1).max(300),
    until: z.iso.datetime({ offset: true }),
    perHour: z.int().positive().max(1_000_000).optional(),
    per_hour: z.int().positive().max(1_000_000).optional(),
    unlimited: z.literal(true).optional(),
  })
  .meta({ examples: [{ subject: 'default/ci', until: '2026-12-01T00:00:00Z', per_hour: 5000 }] });

/** Emergency limits. */
@Controller('v1/admin/rate-limits')
@AdminOnly()
export class RateLimitsController {
  constructor(private readonly overrides: RateOverrides) {}

  /** Replaces the limit of a caller's id, `tenant/id` or key id until a moment at most 31 days away. */
  @Post('override')
  @HttpCode(200)
  async set(@Req() request: FastifyRequest, @Body() body: unknown): Promise<unknown> {
    const wanted = checked(overrideRequest, body);
    const perHour = wanted.perHour ?? wanted.per_hour;
    if ((perHour === undefined) === (wanted.unlimited === undefined)) {
      throw new GatewayError('invalid_request', 'Give either per_hour or unlimited: true.', {
        param: 'per_hour',
      });
    }
    const until = Date.parse(wanted.until);
    if (until <= Date.now()) {
      throw new GatewayError('invalid_request', 'until must be in the future.', { param: 'until' });
    }
    if (until > Date.now() + LONGEST_MS) {
      throw new GatewayError('invalid_request', 'until must be at most 31 days away.', {
        param: 'until',
      });
    }
    const limit = perHour ?? ('unlimited' as const);
    await this.overrides.set({ subject: wanted.subject, until, perHour: limit }, callerOf(request));
    return {
      subject: wanted.subject,
      until: new Date(until).toISOString(),
      ...(perHour === undefined ? { unlimited: true } : { per_hour: perHour }),
    };
  }
}
