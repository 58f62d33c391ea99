import pg from 'pg';
import type { Logger } from '@sluice/observability';
import {
  clientConfig,
  isNotReadyYet,
  isRefusedParameter,
  type ConnectionTarget,
  type LimitMode,
} from './connection.js';
import { poolPlans } from './database.pool.js';
import type { DatabaseSettings } from './database.settings.js';
import { EmbeddedPostgresError } from './embedded/embedded.error.js';
import { EmbeddedPostgres } from './embedded/embedded-postgres.js';

const START_WAIT_MS = 15_000;
const RETRY_MS = 200;

/** Where the settings say the server is; starts it when it is ours to run. */
export async function locate(
  settings: DatabaseSettings,
  logger: Logger,
): Promise<{ readonly target: ConnectionTarget; readonly server: EmbeddedPostgres | undefined }> {
  if (settings.url !== undefined) return { target: { url: settings.url }, server: undefined };
  const { dataDir, embedded } = settings;
  if (embedded !== 'own') {
    const running = await EmbeddedPostgres.find(dataDir);
    if (running !== undefined) return { target: running, server: undefined };
    if (embedded === 'join') {
      throw new EmbeddedPostgresError(
        `No process runs the embedded database of ${dataDir}. Start the gateway first, or set DATABASE_URL.`,
      );
    }
  }
  const server = await EmbeddedPostgres.start({ dataDir, logger });
  return { target: server.address, server };
}

/** Resolves when the server takes connections, with how it takes limits. */
export async function waitUntilReady(target: ConnectionTarget, logger: Logger): Promise<LimitMode> {
  const deadline = performance.now() + START_WAIT_MS;
  let mode: LimitMode = 'startup';
  for (let round = 0; ; round++) {
    try {
      await probe(target, mode);
      return mode;
    } catch (error) {
      if (mode === 'startup' && isRefusedParameter(error)) {
        mode = 'none';
        logger.warn(
          {},
          'the database takes no limits with a connection (PgBouncer?); set them on its role: ALTER ROLE … SET statement_timeout',
        );
        continue;
      }
      if (!isNotReadyYet(error) || performance.now() > deadline) throw error;
      if (round === 0) logger.warn({ err: error }, 'waiting for the database');
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

async function probe(target: ConnectionTarget, mode: LimitMode): Promise<void> {
  const { limits } = poolPlans(1).requests;
  const client = new pg.Client(clientConfig(target, 'start', { limits, mode }));
  client.on('error', () => undefined);
  try {
    await client.connect();
  } finally {
    await client.end().catch(() => undefined);
  }
}
