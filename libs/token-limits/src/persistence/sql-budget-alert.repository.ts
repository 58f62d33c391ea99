import { Injectable } from '@nestjs/common';
import { Database } from '@sluice/database';
import {
  BudgetAlertRepository,
  type BudgetAlert,
  type StoredAlert,
} from '../alerts/budget-alert.js';
import type { Unit } from '../scopes/limit.js';

const COLUMNS =
  'id, counter, threshold, scope, unit, period, limit_amount, spent, at, delivered_at';
const MAX_TRIES = 8;

interface AlertRow {
  readonly id: string;
  readonly counter: string;
  readonly threshold: string;
  readonly scope: string;
  readonly unit: Unit;
  readonly period: string;
  readonly limit_amount: string;
  readonly spent: string;
  readonly at: Date;
  readonly delivered_at: Date | null;
}

@Injectable()
export class SqlBudgetAlertRepository extends BudgetAlertRepository {
  constructor(private readonly database: Database) {
    super();
  }

  async insert(alert: BudgetAlert): Promise<boolean> {
    const { rowCount } = await this.database.writer.query(
      `INSERT INTO budget_alerts (id, counter, threshold, scope, unit, period, limit_amount, spent, at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (counter, threshold) DO NOTHING`,
      [
        alert.id,
        alert.counter,
        alert.threshold,
        alert.scope,
        alert.unit,
        alert.period,
        alert.limit,
        alert.spent,
        alert.at,
      ],
    );
    return rowCount === 1;
  }

  async list(page: {
    readonly limit: number;
    readonly before?: string;
  }): Promise<readonly StoredAlert[]> {
    const { rows } = await this.database.requests.query<AlertRow>(
      `SELECT ${COLUMNS} FROM budget_alerts WHERE $2::uuid IS NULL OR id < $2::uuid ORDER BY id DESC LIMIT $1`,
      [page.limit, page.before ?? null],
    );
    return rows.map(alertOf);
  }

  async claimUndelivered(now: Date, againMs: number): Promise<readonly BudgetAlert[]> {
    // The wait doubles with each try; a claim that was never finished comes back the same way.
    const { rows } = await this.database.writer.query<AlertRow>(
      `UPDATE budget_alerts SET tries = tries + 1
       WHERE id IN (
         SELECT id FROM budget_alerts
         WHERE delivered_at IS NULL AND tries < ${MAX_TRIES}
           AND at <= $1::timestamptz - (CASE WHEN tries = 0 THEN 0 ELSE 2 ^ (tries - 1) END) * $2 * interval '1 ms'
         ORDER BY id LIMIT 20 FOR UPDATE SKIP LOCKED)
       RETURNING ${COLUMNS}`,
      [now, againMs],
    );
    return rows.map(alertOf);
  }

  async delivered(id: string, at: Date): Promise<void> {
    const sql = 'UPDATE budget_alerts SET delivered_at = $2 WHERE id = $1';
    await this.database.writer.query(sql, [id, at]);
  }
}

function alertOf(row: AlertRow): StoredAlert {
  return {
    id: row.id,
    counter: row.counter,
    threshold: Number(row.threshold),
    scope: row.scope,
    unit: row.unit,
    period: row.period,
    limit: Number(row.limit_amount),
    spent: Number(row.spent),
    at: row.at,
    ...(row.delivered_at === null ? {} : { deliveredAt: row.delivered_at }),
  };
}
