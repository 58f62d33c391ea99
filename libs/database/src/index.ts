export { Database, type DatabaseHealth, type DatabaseOptions } from './database.js';
export { DatabaseModule } from './database.module.js';
export {
  type DatabasePool,
  type PoolName,
  type PoolState,
  type Queryable,
  type SqlResult,
} from './database.pool.js';
export { databaseSettings, type DatabaseSettings, type EmbeddedMode } from './database.settings.js';
export type { ConnectionTarget } from './connection.js';
export { EmbeddedPostgresError } from './embedded/embedded.error.js';
export { EmbeddedPostgres, type EmbeddedAddress } from './embedded/embedded-postgres.js';
export type { Migration } from './migrations/migration.js';
export { storableJson } from './storable.json.js';
export { SchemaMigrator, withMigrator } from './schema.migrator.js';
export {
  startTestPostgres,
  type TestDatabase,
  type TestPostgres,
} from './testing/test-postgres.js';
export { openTestDatabase, type OpenTestDatabase } from './testing/test-database.js';
