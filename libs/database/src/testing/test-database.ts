import { SilentLogger } from '@sluice/observability';
import { Database } from '../database.js';
import { startTestPostgres } from './test-postgres.js';

export interface OpenTestDatabase {
  readonly database: Database;
  /** Closes it and ends its server. */
  close(): Promise<void>;
}

/** An open, migrated and empty database on a server of its own, for one test file. */
export async function openTestDatabase(): Promise<OpenTestDatabase> {
  const server = await startTestPostgres();
  const { url } = await server.createDatabase();
  const database = await Database.open({
    settings: { url, poolMax: 4, dataDir: '', embedded: 'own' },
    logger: new SilentLogger(),
  });
  return {
    database,
    close: async () => {
      await database.close();
      await server.stop();
    },
  };
}
