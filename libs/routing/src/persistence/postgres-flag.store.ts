import { Injectable } from '@nestjs/common';
import { Database } from '@sluice/database';
import { FlagStore, type FlagBounds, type FlagRecord } from '../flags/flag.store.js';

interface Row {
  readonly name: string;
  readonly enabled: boolean;
  readonly observation: FlagBounds | null;
  readonly reason: string;
  readonly updated_at: Date;
}

/** Flags in the table `feature_flags`: the last writer wins. They are the installation's, not a tenant's. */
@Injectable()
export class PostgresFlagStore extends FlagStore {
  constructor(private readonly database: Database) {
    super();
  }

  async load(): Promise<FlagRecord[]> {
    const { rows } = await this.database.requests.query<Row>(
      'SELECT name, enabled, observation, reason, updated_at FROM feature_flags ORDER BY name',
    );
    return rows.map(({ name, enabled, observation, reason, updated_at: updatedAt }) => ({
      name,
      enabled,
      reason,
      updatedAt: updatedAt.getTime(),
      ...(observation === null ? {} : { observation }),
    }));
  }

  async save(record: FlagRecord): Promise<void> {
    await this.database.requests.query(
      `INSERT INTO feature_flags (name, enabled, observation, reason, updated_at)
       VALUES ($1, $2, $3::jsonb, $4, $5)
       ON CONFLICT (name) DO UPDATE SET enabled = excluded.enabled, observation = excluded.observation,
         reason = excluded.reason, updated_at = excluded.updated_at`,
      [
        record.name,
        record.enabled,
        record.observation === undefined ? null : JSON.stringify(record.observation),
        record.reason,
        new Date(record.updatedAt),
      ],
    );
  }
}
