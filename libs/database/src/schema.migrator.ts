import pg from 'pg';
import type { DataSource } from 'typeorm';
import type { Logger } from '@sluice/observability';
import { clientConfig, type ConnectionTarget } from './connection.js';
import { createDataSource, MIGRATIONS_TABLE } from './database.source.js';
import { locate, waitUntilReady } from './database.server.js';
import type { DatabaseSettings } from './database.settings.js';
import { MIGRATIONS } from './migrations/catalogue.js';
import { recordedName, type Migration } from './migrations/migration.js';

/** "slui" "ce": one lock per database, whoever migrates it. */
const LOCK_KEY = '8314892176759546725';
/** A replica that starts beside another waits this long for its migrations. */
const LOCK_WAIT = '10min';
const LIMITS = { statementMs: 600_000, lockMs: 600_000 };

/** For commands: the migrator of the configured database, whose embedded server is started when none runs. */
export async function withMigrator<T>(
  options: { readonly settings: DatabaseSettings; readonly logger: Logger },
  work: (migrator: SchemaMigrator) => Promise<T>,
): Promise<T> {
  const { settings, logger } = options;
  const { target, server } = await locate(settings, logger);
  try {
    await waitUntilReady(target, logger);
    return await work(new SchemaMigrator({ target, migrations: MIGRATIONS, logger }));
  } finally {
    await server?.stop();
  }
}

export interface MigratorOptions {
  readonly target: ConnectionTarget;
  readonly migrations: readonly Migration[];
  readonly logger: Logger;
}

/** Brings the schema up to date, one process at a time. */
export class SchemaMigrator {
  constructor(private readonly options: MigratorOptions) {}

  /** Applies what is missing. Returns the names that were applied by this process, oldest first. */
  async migrate(): Promise<readonly string[]> {
    if ((await this.pending()).length === 0) return [];
    return this.#locked(async (source) => {
      // Another replica may have been faster: TypeORM looks again, now under the lock.
      const applied = await source.runMigrations({ transaction: 'each' });
      const names = applied.map((migration) => migration.name);
      if (names.length > 0) this.options.logger.info({ migrations: names }, 'schema migrated');
      return names;
    });
  }

  /** Takes the newest migration back, its data included. Returns its name, or undefined when none is left. */
  async revert(): Promise<string | undefined> {
    return this.#locked(async (source) => {
      const newest = (await this.#recorded()).at(-1);
      if (newest === undefined) return undefined;
      await source.undoLastMigration({ transaction: 'each' });
      return newest;
    });
  }

  /** Names in the catalogue that the database does not have, oldest first. */
  async pending(): Promise<readonly string[]> {
    const recorded = new Set(await this.#recorded());
    const known = this.options.migrations.map(recordedName);
    const newer = [...recorded].filter((name) => !known.includes(name));
    if (newer.length > 0) {
      this.options.logger.warn({ migrations: newer }, 'the schema is newer than this program');
    }
    return known.filter((name) => !recorded.has(name));
  }

  async #recorded(): Promise<readonly string[]> {
    return this.#withClient(async (client) => {
      const table = await client.query<{ found: string | null }>(
        'SELECT to_regclass($1)::text AS found',
        [MIGRATIONS_TABLE],
      );
      if (table.rows[0]?.found == null) return [];
      const rows = await client.query<{ name: string }>(
        `SELECT name FROM ${MIGRATIONS_TABLE} ORDER BY id`,
      );
      return rows.rows.map((row) => row.name);
    });
  }

  /** Holds the lock in a transaction: a session lock would be lost behind a pooler of transactions. */
  async #locked<T>(work: (source: DataSource) => Promise<T>): Promise<T> {
    const { target, migrations } = this.options;
    return this.#withClient(async (client) => {
      await client.query('BEGIN');
      await client.query(`SET LOCAL lock_timeout = '${LOCK_WAIT}'`);
      await client.query(`SET LOCAL statement_timeout = 0`);
      await client.query(`SET LOCAL idle_in_transaction_session_timeout = 0`);
      await client.query('SELECT pg_advisory_xact_lock($1)', [LOCK_KEY]);
      const source = await createDataSource(target, 'migrations', migrations);
      try {
        return await work(source);
      } finally {
        await source.destroy();
        await client.query('COMMIT');
      }
    });
  }

  async #withClient<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    const { target, logger } = this.options;
    const client = new pg.Client(
      clientConfig(target, 'migrations', { limits: LIMITS, mode: 'none' }),
    );
    client.on('error', (error) => {
      logger.warn({ err: error }, 'database connection lost while migrating');
    });
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  }
}
