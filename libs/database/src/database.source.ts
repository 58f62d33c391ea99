import pg from 'pg';
import type { DataSource, Logger, MigrationInterface, QueryRunner } from 'typeorm';
import type { ConnectionTarget } from './connection.js';
import { recordedName, type Migration } from './migrations/migration.js';

/** The table in which TypeORM records what was applied. */
export const MIGRATIONS_TABLE = 'sluice_migrations';

/**
 * A TypeORM DataSource with two connections that close when idle. The library is loaded here and not at
 * the top: it costs 150 ms and 20 MB, and a start without new migrations does not need it.
 */
export async function createDataSource(
  target: ConnectionTarget,
  name: string,
  migrations: readonly Migration[] = [],
): Promise<DataSource> {
  const { DataSource } = await import('typeorm');
  const { user, ...place } = 'url' in target ? { user: undefined, ...target } : target;
  const source = new DataSource({
    type: 'postgres',
    driver: pg,
    ...place,
    ...(user === undefined ? {} : { username: user }),
    applicationName: `sluice-${name}`,
    installExtensions: false,
    poolSize: 2,
    extra: { idleTimeoutMillis: 10_000, connectionTimeoutMillis: 5_000 },
    migrationsTableName: MIGRATIONS_TABLE,
    migrations: migrations.map(migrationClass),
    migrationsRun: false,
    synchronize: false,
    // Failures are thrown; TypeORM's own logger would print them on the console as well.
    logger: SILENT,
  });
  return source.initialize();
}

const nothing = (): void => undefined;
const SILENT: Logger = {
  logQuery: nothing,
  logQueryError: nothing,
  logQuerySlow: nothing,
  logSchemaBuild: nothing,
  logMigration: nothing,
  log: nothing,
};

function migrationClass(migration: Migration): new () => MigrationInterface {
  return class implements MigrationInterface {
    readonly name = recordedName(migration);
    async up(runner: QueryRunner): Promise<void> {
      await runner.query(migration.up);
    }
    async down(runner: QueryRunner): Promise<void> {
      await runner.query(migration.down);
    }
  };
}
