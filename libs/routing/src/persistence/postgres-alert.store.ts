import { Injectable } from '@nestjs/common';
import { Database } from '@sluice/database';
import { AlertStore, type AlertKind, type PerformanceAlert } from '../alerts/alert.store.js';

const COLUMNS = 'id, kind, subject, message, raised_at, resolved_at, delivered_at';
const MAX_TRIES = 8;

interface Row {
  readonly id: string;
  readonly kind: AlertKind;
  readonly subject: string;
  readonly message: string;
  readonly raised_at: Date;
  readonly resolved_at: Date | null;
  readonly delivered_at: Date | null;
}

/** Alerts in the table `performance_alerts`, whose index allows one open alert per kind and subject. */
@Injectable()
export class PostgresAlertStore extends AlertStore {
  constructor(private readonly database: Database) {
    super();
  }

  async raise({ id, kind, subject, message, raisedAt }: PerformanceAlert): Promise<void> {
    await this.database.writer.query(
      `INSERT INTO performance_alerts (id, kind, subject, message, raised_at) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT DO NOTHING`,
      [id, kind, subject, message, new Date(raisedAt)],
    );
  }

  async resolve(kind: AlertKind, subject: string, at: number): Promise<void> {
    await this.database.writer.query(
      `UPDATE performance_alerts SET resolved_at = $3
       WHERE kind = $1 AND subject = $2 AND resolved_at IS NULL`,
      [kind, subject, new Date(at)],
    );
  }

  async list(page: {
    readonly limit: number;
    readonly before?: string;
  }): Promise<PerformanceAlert[]> {
    const { rows } = await this.database.requests.query<Row>(
      `SELECT ${COLUMNS} FROM performance_alerts
       WHERE $2::uuid IS NULL OR id < $2::uuid ORDER BY id DESC LIMIT $1`,
      [page.limit, page.before ?? null],
    );
    return rows.map(alertOf);
  }

  async claim(now: number, againMs: number): Promise<PerformanceAlert[]> {
    // The wait doubles with each try; a claim that was never finished comes back the same way.
    const { rows } = await this.database.writer.query<Row>(
      `UPDATE performance_alerts SET tries = tries + 1
       WHERE id IN (
         SELECT id FROM performance_alerts
         WHERE delivered_at IS NULL AND tries < ${MAX_TRIES}
           AND raised_at <= $1::timestamptz - (CASE WHEN tries = 0 THEN 0 ELSE 2 ^ (tries - 1) END) * $2 * interval '1 ms'
         ORDER BY id LIMIT 20 FOR UPDATE SKIP LOCKED)
       RETURNING ${COLUMNS}`,
      [new Date(now), againMs],
    );
    return rows.map(alertOf);
  }

  async delivered(id: string, at: number): Promise<void> {
    await this.database.writer.query(
      'UPDATE performance_alerts SET delivered_at = $2 WHERE id = $1',
      [id, new Date(at)],
    );
  }
}

function alertOf(row: Row): PerformanceAlert {
  const { id, kind, subject, message } = row;
  return {
    id,
    kind,
    subject,
    message,
    raisedAt: row.raised_at.getTime(),
    ...(row.resolved_at === null ? {} : { resolvedAt: row.resolved_at.getTime() }),
    ...(row.delivered_at === null ? {} : { deliveredAt: row.delivered_at.getTime() }),
  };
}
