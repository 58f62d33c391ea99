import { Controller, Get, Query } from '@nestjs/common';
import { z } from 'zod';
import { AdminOnly } from '@sluice/auth';
import { microToUsd } from '@sluice/kernel';
import { PerformanceAlerts, type PerformanceAlert } from '@sluice/routing';
import { BudgetAlertRepository, type StoredAlert } from '@sluice/token-limits';
import { checked } from '../http/checked.js';

export const alertsQuery = z.object({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  /** The last id of the page before. */
  before: z.uuid().optional(),
});

/** Alerts that have fired, newest first: of budgets, of paths and models, of flags that were rolled back. */
@Controller('v1/admin/alerts')
@AdminOnly()
export class AlertsController {
  constructor(
    private readonly budgets: BudgetAlertRepository,
    private readonly performance: PerformanceAlerts,
  ) {}

  @Get()
  async list(@Query() query: unknown): Promise<unknown> {
    const { limit, before } = checked(alertsQuery, query);
    const page = { limit, ...(before === undefined ? {} : { before }) };
    const [budgets, performance] = await Promise.all([
      this.budgets.list(page),
      this.performance.page(page),
    ]);
    // Ids of both begin with the time.
    const alerts = [...budgets.map(budgetJson), ...performance.map(performanceJson)]
      .toSorted((a, b) => (a.id < b.id ? 1 : -1))
      .slice(0, limit);
    return { alerts, next: alerts.length === limit ? (alerts.at(-1)?.id ?? null) : null };
  }
}

interface AlertJson {
  readonly id: string;
  readonly type: 'budget' | 'performance';
  readonly [field: string]: unknown;
}

function performanceJson(alert: PerformanceAlert): AlertJson {
  return {
    id: alert.id,
    type: 'performance',
    kind: alert.kind,
    subject: alert.subject,
    message: alert.message,
    at: new Date(alert.raisedAt).toISOString(),
    resolved_at: timeOrNull(alert.resolvedAt),
    delivered_at: timeOrNull(alert.deliveredAt),
  };
}

function budgetJson(alert: StoredAlert): AlertJson {
  const amount = (n: number) => (alert.unit === 'micro_usd' ? microToUsd(n) : n);
  return {
    id: alert.id,
    type: 'budget',
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

function timeOrNull(epochMs: number | undefined): string | null {
  return epochMs === undefined ? null : new Date(epochMs).toISOString();
}
