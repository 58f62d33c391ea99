import { Injectable } from '@nestjs/common';
import { Database } from '@sluice/database';
import { RateOverrideRepository, type RateOverride } from '../overrides/rate-override.js';

interface OverrideRow {
  readonly subject: string;
  readonly until: Date;
  readonly per_hour: number | null;
}

@Injectable()
export class SqlRateOverrideRepository extends RateOverrideRepository {
  constructor(private readonly database: Database) {
    super();
  }

  async save({ subject, until, perHour }: RateOverride): Promise<void> {
    await this.database.requests.query(
      `INSERT INTO rate_overrides (subject, until, per_hour) VALUES ($1, $2, $3)
       ON CONFLICT (subject) DO UPDATE SET until = $2, per_hour = $3`,
      [subject, new Date(until), perHour === 'unlimited' ? null : perHour],
    );
  }

  async active(now: number): Promise<readonly RateOverride[]> {
    const { rows } = await this.database.requests.query<OverrideRow>(
      'SELECT subject, until, per_hour FROM rate_overrides WHERE until > $1',
      [new Date(now)],
    );
    return rows.map((row) => ({
      subject: row.subject,
      until: row.until.getTime(),
      perHour: row.per_hour ?? 'unlimited',
    }));
  }
}
