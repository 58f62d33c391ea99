import { Controller, Get, Query } from '@nestjs/common';
import { z } from 'zod';
import { AdminOnly } from '@sluice/auth';
import { microToUsd } from '@sluice/kernel';
import { BudgetAlertRepository, type StoredAlert } from '@sluice/token-limits';
import { checked } from '../http/checked.js';

export const alertsQuery = z.object({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  /** The last id of the page before. */
  before: z.uuid().optional(),
});

/** Budget alerts that have fired, newest first. */
@Controller('v1/admin/alerts')
@AdminOnly()
export class AlertsController {
  constructor(private readonly alerts: BudgetAlertRepository) {}

  @Get()
  async list(@Query() query: unknown): Promise<unknown> {
    const { limit, before } = checked(alertsQuery, query);
    const alerts = await this.alerts.list({ limit, ...(before === undefined ? {} : { before }) });
    const last = alerts.length === limit ? alerts.at(-1)?.id : undefined;
    return { alerts: alerts.map(alertJson), next: last ?? null };
  }
}

function alertJson(alert: StoredAlert): unknown {
  const amount = (n: number) => (alert.unit === 'micro_usd' ? microToUsd(n) : n);
  return {
    id: alert.id,
    scope: alert.scope,
    unit: alert.unit === 'micro_usd' ? 'usd' : alert.unit,
    period: alert.period,
    threshold: alert.threshold,
    limit: amount(alert.limit),
    spent: amount(alert.spent),
    at: alert.at.toISOString(),
    delivered_at: alert.deliveredAt?.toISOString() ?? null,
  };
}
