import type { OnApplicationShutdown } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import type { Logger, Metrics } from '@sluice/observability';
import type { ConnectionTarget, LimitMode } from './connection.js';
import { observePools } from './database.metrics.js';
import { DatabasePool, poolPlans, type PoolName, type PoolState } from './database.pool.js';
import type { DatabaseSettings } from './database.settings.js';
import { createDataSource } from './database.source.js';
import { locate, waitUntilReady } from './database.server.js';
import type { EmbeddedPostgres } from './embedded/embedded-postgres.js';
import { MIGRATIONS } from './migrations/catalogue.js';
import type { Migration } from './migrations/migration.js';
import { SchemaMigrator } from './schema.migrator.js';

const HEALTH_TIMEOUT_MS = 2_000;

export interface DatabaseHealth {
  readonly ok: boolean;
  readonly embedded: boolean;
  /** Round trip of an empty query. */
  readonly latencyMs: number;
  readonly pools: Readonly<Record<PoolName, PoolState>>;
  /** Why it is not ok. */
  readonly error?: string;
}

export interface DatabaseOptions {
  readonly settings: DatabaseSettings;
  readonly logger: Logger;
  readonly metrics?: Metrics;
  /** The schema; the catalogue when left out. */
  readonly migrations?: readonly Migration[];
}

interface Parts {
  readonly target: ConnectionTarget;
  readonly replica: ConnectionTarget;
  readonly mode: LimitMode;
  readonly server: EmbeddedPostgres | undefined;
  readonly embedded: boolean;
}

/** The one way to Postgres, embedded or not: three pools, the migrated schema, and TypeORM when somebody asks. */
export class Database implements OnApplicationShutdown {
  /** Short statements of callers' requests and administrators. */
  readonly requests: DatabasePool;
  /** Batches in the background: usage rows, rollups. */
  readonly writer: DatabasePool;
  /** Long reads, from the replica when there is one. Read only what may lag behind. */
  readonly reports: DatabasePool;
  readonly #parts: Parts;
  readonly #sources = new Map<string, Promise<DataSource>>();
  #closing: Promise<void> | undefined;

  private constructor(parts: Parts, options: DatabaseOptions) {
    this.#parts = parts;
    const plans = poolPlans(options.settings.poolMax);
    const pool = (name: PoolName, target: ConnectionTarget) =>
      new DatabasePool(name, plans[name], { target, mode: parts.mode, logger: options.logger });
    this.requests = pool('requests', parts.target);
    this.writer = pool('writer', parts.target);
    this.reports = pool('reports', parts.replica);
    if (options.metrics !== undefined) observePools(options.metrics, this.#pools);
  }

  /** Starts or finds the server, waits for it for up to 15 s, and brings the schema up to date. */
  static async open(options: DatabaseOptions): Promise<Database> {
    const { settings, logger } = options;
    const { target, server } = await locate(settings, logger);
    try {
      const mode = await waitUntilReady(target, logger);
      const migrations = options.migrations ?? MIGRATIONS;
      await new SchemaMigrator({ target, migrations, logger }).migrate();
      const replica = settings.replicaUrl === undefined ? target : { url: settings.replicaUrl };
      const embedded = settings.url === undefined;
      return new Database({ target, replica, mode, server, embedded }, options);
    } catch (error) {
      await server?.stop();
      throw error;
    }
  }

  /** For what must hold a connection of its own, such as LISTEN, or another library's pool. */
  get target(): ConnectionTarget {
    return this.#parts.target;
  }

  /** TypeORM's DataSource, made on the first call; `reports` is the replica when there is one. */
  dataSource(role: 'main' | 'reports' = 'main'): Promise<DataSource> {
    const { target, replica } = this.#parts;
    let source = this.#sources.get(role);
    if (source === undefined) {
      source = createDataSource(role === 'main' ? target : replica, role);
      this.#sources.set(role, source);
      // A failure is the caller's of now; the next call tries again.
      source.catch(() => this.#sources.delete(role));
    }
    return source;
  }

  /** Never throws. Answers within 2 s. */
  async health(): Promise<DatabaseHealth> {
    const started = performance.now();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new Error(`no answer within ${HEALTH_TIMEOUT_MS} ms`));
      }, HEALTH_TIMEOUT_MS);
    });
    const error = await Promise.race([this.requests.query('SELECT 1'), late]).then(
      () => undefined,
      (reason: unknown) => (reason instanceof Error ? reason.message : String(reason)),
    );
    clearTimeout(timer);
    return {
      ok: error === undefined,
      embedded: this.#parts.embedded,
      latencyMs: performance.now() - started,
      pools: {
        requests: this.requests.state,
        writer: this.writer.state,
        reports: this.reports.state,
      },
      ...(error === undefined ? {} : { error }),
    };
  }

  /** Waits for statements in progress, then stops the embedded server. Safe to call twice. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Nest's last hook: everything that writes on shutdown has done so. */
  onApplicationShutdown(): Promise<void> {
    return this.close();
  }

  get #pools(): readonly DatabasePool[] {
    return [this.requests, this.writer, this.reports];
  }

  async #close(): Promise<void> {
    const sources = await Promise.allSettled(this.#sources.values());
    await Promise.allSettled([
      ...this.#pools.map((pool) => pool.close()),
      ...sources.map((made) => (made.status === 'fulfilled' ? made.value.destroy() : undefined)),
    ]);
    await this.#parts.server?.stop();
  }
}
