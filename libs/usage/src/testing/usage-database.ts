import pg from 'pg';
import { Database, startTestPostgres, type TestPostgres } from '@sluice/database';
import { SilentLogger } from '@sluice/observability';
import { encodeEvent } from '../persistence/usage.columns.js';
import { insertEvents } from '../persistence/usage.writer.js';
import type { UsageEvent } from '../usage-event.js';

/** A real, migrated database for one test file. */
export class UsageDatabase {
  private constructor(
    readonly server: TestPostgres,
    readonly url: string,
    readonly database: Database,
  ) {}

  static async start(): Promise<UsageDatabase> {
    const server = await startTestPostgres();
    const { url } = await server.createDatabase();
    const database = await Database.open({
      settings: { url, poolMax: 4, dataDir: '', embedded: 'own' },
      logger: new SilentLogger(),
    });
    return new UsageDatabase(server, url, database);
  }

  /** Inserts events as the shipper does. @returns how many were new */
  insert(...events: readonly UsageEvent[]): Promise<number> {
    return insertEvents(this.database.writer, events.map(encodeEvent));
  }

  /** Without the product's time limits: a busy machine may seed and analyse for long. */
  async rows(sql: string, values: readonly unknown[] = []): Promise<Record<string, unknown>[]> {
    const client = new pg.Client({ connectionString: this.url });
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(sql, [...values])).rows;
    } finally {
      await client.end();
    }
  }

  async clear(): Promise<void> {
    await this.rows(
      'TRUNCATE token_usage, usage_hourly, usage_daily, usage_hourly_agent, usage_daily_agent, usage_daily_caller, usage_erasure, chat_session, chat_history, agent_state',
    );
  }

  async stop(): Promise<void> {
    await this.database.close();
    await this.server.stop();
  }
}
