import type { Environment } from '@sluice/config';

/**
 * `own`: run the server of the data directory. `join`: use the one that another process runs.
 * `join-or-own`: for short-lived commands, beside a running gateway or alone.
 */
export type EmbeddedMode = 'own' | 'join' | 'join-or-own';

export interface DatabaseSettings {
  /** Postgres 15 or later; the embedded server when left out. */
  readonly url?: string;
  /** Where reports are read from; the main server when left out. */
  readonly replicaUrl?: string;
  /** Connections of the pool for requests. */
  readonly poolMax: number;
  readonly dataDir: string;
  readonly embedded: EmbeddedMode;
}

export function databaseSettings(
  env: Pick<
    Environment,
    'DATABASE_URL' | 'DATABASE_REPLICA_URL' | 'DATABASE_POOL_MAX' | 'SLUICE_DATA_DIR'
  >,
  embedded: EmbeddedMode = 'own',
): DatabaseSettings {
  return {
    ...(env.DATABASE_URL === undefined ? {} : { url: env.DATABASE_URL }),
    ...(env.DATABASE_REPLICA_URL === undefined ? {} : { replicaUrl: env.DATABASE_REPLICA_URL }),
    poolMax: env.DATABASE_POOL_MAX,
    dataDir: env.SLUICE_DATA_DIR,
    embedded,
  };
}
