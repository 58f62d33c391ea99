import { Injectable } from '@nestjs/common';
import { Database } from '@sluice/database';
import type { Grade } from '@sluice/kernel';
import {
  ReplicaStore,
  type Pulled,
  type Upgrade,
  type WindowRow,
} from '../sharing/replica.store.js';

interface WindowRecord {
  readonly replica: string;
  readonly subject: string;
  readonly start: Date;
  readonly calls: number;
  readonly failures: number;
  readonly latency: string | null;
}
interface UpgradeRecord {
  readonly model: string;
  readonly grade: Grade;
  readonly since: Date;
  readonly until: Date;
  readonly relapses: number;
}

/** Windows and upgrades in Postgres. Both belong to the installation, not to a tenant. */
@Injectable()
export class PostgresReplicaStore extends ReplicaStore {
  constructor(private readonly database: Database) {
    super();
  }

  async push(replica: string, rows: readonly WindowRow[]): Promise<void> {
    await this.database.writer.query(
      `INSERT INTO routing_windows (replica, subject, start, calls, failures, latency, changed_at)
       SELECT $1, subject, start, calls, failures, latency, clock_timestamp()
       FROM unnest($2::text[], $3::timestamptz[], $4::int[], $5::int[], $6::text[])
         AS w (subject, start, calls, failures, latency)
       ON CONFLICT (replica, subject, start) DO UPDATE SET calls = excluded.calls,
         failures = excluded.failures, latency = excluded.latency, changed_at = excluded.changed_at`,
      [
        replica,
        rows.map((row) => row.subject),
        rows.map((row) => new Date(row.start)),
        rows.map((row) => row.calls),
        rows.map((row) => row.failures),
        rows.map((row) => row.latency ?? null),
      ],
    );
  }

  async pull(replica: string, since: number): Promise<Pulled> {
    const { rows: clocks } = await this.database.writer.query<{ readonly at: Date }>(
      'SELECT clock_timestamp() AS at',
    );
    const { rows } = await this.database.writer.query<WindowRecord>(
      `SELECT replica, subject, start, calls, failures, latency FROM routing_windows
       WHERE replica <> $1 AND changed_at >= $2 ORDER BY start`,
      [replica, new Date(since)],
    );
    const { rows: upgrades } = await this.database.writer.query<UpgradeRecord>(
      'SELECT model, grade, since, until, relapses FROM routing_upgrades',
    );
    return {
      rows: rows.map(({ latency, start, ...row }) => ({
        ...row,
        start: start.getTime(),
        ...(latency === null ? {} : { latency }),
      })),
      upgrades: upgrades.map((upgrade) => ({
        ...upgrade,
        since: upgrade.since.getTime(),
        until: upgrade.until.getTime(),
      })),
      at: clocks[0]?.at.getTime() ?? since,
    };
  }

  async upgrade({ model, grade, since, until, relapses }: Upgrade): Promise<void> {
    // Two replicas may see the same failures: the first to say so is right, and the other takes its word.
    await this.database.writer.query(
      `INSERT INTO routing_upgrades (model, grade, since, until, relapses) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (model, grade) DO UPDATE SET since = excluded.since, until = excluded.until,
         relapses = excluded.relapses
       WHERE routing_upgrades.until <= excluded.since`,
      [model, grade, new Date(since), new Date(until), relapses],
    );
  }

  async forget(before: number): Promise<void> {
    await this.database.writer.query(
      `DELETE FROM routing_windows WHERE start < $1
         AND (subject NOT LIKE 'threshold:%' OR changed_at < $1::timestamptz - interval '90 days')`,
      [new Date(before)],
    );
  }
}
