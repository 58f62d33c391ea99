// A process that opens the database of a data directory, says so, and waits: node --import tools/typescript.mjs holder.ts DATA_DIR MODE [URL]
import { SilentLogger } from '@sluice/observability';
import { Database } from '../src/database.js';
import type { EmbeddedMode } from '../src/database.settings.js';
import { EmbeddedPostgres } from '../src/embedded/embedded-postgres.js';

const [dataDir = '', mode = 'own', url] = process.argv.slice(2);
try {
  const settings = {
    dataDir,
    embedded: mode as EmbeddedMode,
    poolMax: 2,
    ...(url === undefined ? {} : { url }),
  };
  const database = await Database.open({ settings, logger: new SilentLogger() });
  await database.requests.query('CREATE TABLE IF NOT EXISTS kept (n int)');
  const { rows } = await database.requests.query<{ n: number }>(
    'INSERT INTO kept VALUES (1) RETURNING (SELECT count(*)::int FROM kept) AS n',
  );
  const server = await EmbeddedPostgres.find(dataDir);
  // Held open until it is told to stop; listening before it says so, as the signal may come at once.
  const alive = setInterval(() => undefined, 1000);
  process.on('SIGTERM', () => void database.close().finally(() => clearInterval(alive)));
  process.stdout.write(
    `${JSON.stringify({ ready: true, before: rows[0]?.n, host: server?.host })}\n`,
  );
} catch (error) {
  process.stdout.write(`${JSON.stringify({ ready: false, message: String(error) })}\n`);
}
