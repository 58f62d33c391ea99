import { Readable } from 'node:stream';
import { Controller, Delete, Get, Param, Query, Req, StreamableFile } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { TenantAdmin, AuditLog } from '@sluice/auth';
import { OPERATOR_TENANT, Clock, GatewayError, type Caller } from '@sluice/kernel';
import { CallerErasure, FILTERS, UsageExport, UsageQueries, type Filter } from '@sluice/usage';
import { checked } from '../http/checked.js';
import { callerOf } from '../http/request-state.js';
import {
  callerId,
  eraseQuery,
  usageExportQuery,
  usageQuery,
  type ErasureJson,
  type UsageAnswerJson,
} from './usage.contract.js';
import { usageReportJson } from './usage.json.js';
import { usageRange } from './usage.range.js';

/** The tenant whose administrators run the gateway and may look at the others. */

/** What calls have cost and who made them, for one tenant at a time: the administrator's own when none is named. */
@Controller('v1/admin')
@TenantAdmin()
export class UsageController {
  constructor(
    private readonly queries: UsageQueries,
    private readonly exports: UsageExport,
    private readonly erasure: CallerErasure,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  /** Grouped by at most two of model, provider, tier, caller, agent, day, hour. At most five seconds old. */
  @Get('usage')
  async report(@Req() request: FastifyRequest, @Query() query: unknown): Promise<UsageAnswerJson> {
    const asked = checked(usageQuery, query);
    const filters: Partial<Record<Filter, string>> = {};
    for (const name of FILTERS) {
      const wanted = asked[name];
      if (wanted !== undefined) filters[name] = wanted;
    }
    const question = {
      tenant: tenantOf(callerOf(request), asked.tenant),
      ...usageRange(asked, this.clock.now()),
      groupBy: asked.group_by,
      filters,
    };
    const report = await this.queries.report(question, {
      limit: asked.limit,
      cursor: asked.cursor,
    });
    return usageReportJson(report, asked.group_by);
  }

  /** Every event as CSV, oldest first. */
  @Get('usage/export')
  export(@Req() request: FastifyRequest, @Query() query: unknown): StreamableFile {
    const asked = checked(usageExportQuery, query);
    const { from, to } = usageRange(asked, this.clock.now());
    const tenant = tenantOf(callerOf(request), asked.tenant);
    const pieces = Readable.from(this.exports.csv({ tenant, from, to }), { highWaterMark: 1 });
    const day = (date: Date) => date.toISOString().slice(0, 10);
    return new StreamableFile(pieces, {
      type: 'text/csv; charset=utf-8',
      disposition: `attachment; filename="usage-${day(from)}-${day(to)}.csv"`,
    });
  }

  /** Deletes what a caller said and takes the name off what it was billed. Safe to repeat. */
  @Delete('callers/:id/data')
  async erase(
    @Req() request: FastifyRequest,
    @Param() params: unknown,
    @Query() query: unknown,
  ): Promise<ErasureJson> {
    const by = callerOf(request);
    const { id } = checked(callerId, params);
    const tenant = tenantOf(by, checked(eraseQuery, query).tenant);
    const { sessions, history, agentStates, events } = await this.erasure.erase(tenant, id);
    const deed = { tenant, actor: `${by.tenant}/${by.id}`, action: 'caller.erase', subject: id };
    await this.audit.record({ ...deed, details: { sessions, history, agentStates, events } });
    return {
      object: 'erasure',
      tenant,
      caller: id,
      deleted: { sessions, history, agent_states: agentStates },
      anonymised_events: events,
    };
  }
}

function tenantOf(by: Caller, wanted: string | undefined): string {
  if (wanted === undefined || wanted === by.tenant) return by.tenant;
  if (by.tenant === OPERATOR_TENANT) return wanted;
  throw new GatewayError('forbidden', 'You may see the usage of your own tenant only.', {
    param: 'tenant',
  });
}
