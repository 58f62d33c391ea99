import { Body, Controller, Get, HttpCode, Post } from '@nestjs/common';
import { AdminOnly } from '@sluice/auth';
import { CacheAdminService } from '@sluice/semantic-cache';
import { z } from 'zod';
import { checked } from '../http/checked.js';

export const clearSchema = z
  .strictObject({
    pattern: z.string().min(1).max(256).optional(),
    namespace: z.string().min(1).max(64).optional(),
  })
  .default({})
  .meta({ examples: [{ pattern: 'default:*:sandbox-*' }] });
export const warmSchema = z
  .strictObject({
    queries: z
      .array(z.strictObject({ model: z.string().min(1), prompt: z.string().min(1).max(10_000) }))
      .min(1)
      .max(1000)
      .optional(),
  })
  .default({})
  .meta({ examples: [{ queries: [{ model: 'auto', prompt: 'What is Sluice?' }] }] });
export const feedbackSchema = z
  .strictObject({ request_id: z.string().min(1).max(128), correct: z.boolean() })
  .meta({ examples: [{ request_id: '01a2018e-d4d4-7368-9ab2-1482b5324863', correct: false }] });

/** Admin routes of the cache. `clear` answers at `/api/admin/cache/clear` too. */
@Controller()
@AdminOnly()
export class CacheController {
  constructor(private readonly cache: CacheAdminService) {}

  /** Forgets everything, or what matches a glob over `tenant:namespace:model`, or one namespace; in every replica. */
  @Post(['v1/admin/cache/clear', 'api/admin/cache/clear'])
  @HttpCode(200)
  async clear(@Body() body: unknown): Promise<unknown> {
    const removed = await this.cache.clear(checked(clearSchema, body ?? undefined));
    return { cleared: true, removed };
  }

  /** Removes expired entries now instead of at the next sweep. */
  @Post('v1/admin/cache/cleanup')
  @HttpCode(200)
  async cleanup(): Promise<unknown> {
    return { removed: await this.cache.cleanup() };
  }

  /** Asks the given questions, or the configured ones, so that their answers are there. */
  @Post('v1/admin/cache/warm')
  @HttpCode(200)
  warm(@Body() body: unknown): Promise<unknown> {
    return this.cache.warm(checked(warmSchema, body ?? undefined).queries);
  }

  @Get('v1/admin/cache/stats')
  stats(): Promise<unknown> {
    return this.cache.stats();
  }

  /** Says whether a hit was right; a wrong one is evicted with its neighbours. */
  @Post('v1/admin/cache/feedback')
  @HttpCode(200)
  feedback(@Body() body: unknown): Promise<unknown> {
    const { request_id: id, correct } = checked(feedbackSchema, body);
    return this.cache.feedback(id, correct);
  }
}
