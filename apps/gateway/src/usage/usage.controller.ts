import { Controller, Get, Query, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { Clock } from '@sluice/kernel';
import { LimitsView } from '@sluice/token-limits';
import { UsageQueries } from '@sluice/usage';
import { budgetJson } from '../admin/budgets.controller.js';
import { usageGroupJson, usageSumsJson } from '../admin/usage.json.js';
import { monthRange } from '../admin/usage.range.js';
import { checked } from '../http/checked.js';
import { callerOf } from '../http/request-state.js';

export const ownUsageQuery = z.strictObject({
  from: z.iso.datetime({ offset: true }).or(z.iso.date()).optional(),
  to: z.iso.datetime({ offset: true }).or(z.iso.date()).optional(),
});

/** The caller's own usage and what is left of each limit. */
@Controller('v1/usage')
export class OwnUsageController {
  constructor(
    private readonly usage: UsageQueries,
    private readonly limits: LimitsView,
    private readonly clock: Clock,
  ) {}

  /** `from` and `to` are UTC, a day given as `to` is part of it; this month when left out. */
  @Get()
  async own(@Req() request: FastifyRequest, @Query() query: unknown): Promise<unknown> {
    const caller = callerOf(request);
    const range = monthRange(checked(ownUsageQuery, query), this.clock.now());
    const [report, limits] = await Promise.all([
      this.usage.ofCaller(caller.tenant, caller.id, range),
      this.limits.ofCaller(caller),
    ]);
    return {
      object: 'usage',
      caller: caller.id,
      tier: caller.tier,
      from: report.from.toISOString(),
      to: report.to.toISOString(),
      totals: usageSumsJson(report.totals),
      by_day: report.byDay.map(usageGroupJson),
      by_model: report.byModel.map(usageGroupJson),
      limits: limits.map(budgetJson),
    };
  }
}
