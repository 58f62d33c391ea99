import pg from 'pg';
import type { Logger } from '@sluice/observability';
import {
  clientConfig,
  type ConnectionTarget,
  type LimitMode,
  type ServerLimits,
} from './connection.js';

export type PoolName = 'requests' | 'writer' | 'reports';

export interface PoolState {
  readonly max: number;
  /** Open connections, in use or idle. */
  readonly total: number;
  readonly idle: number;
  /** Statements that wait for a connection. */
  readonly waiting: number;
}

export interface SqlResult<Row extends object> {
  readonly rows: Row[];
  readonly rowCount: number | null;
}

/** Runs parametrised SQL. `bigint` and `numeric` columns come as text, `timestamptz` as `Date`. */
export interface Queryable {
  query<Row extends object = Record<string, unknown>>(
    text: string,
    values?: readonly unknown[],
  ): Promise<SqlResult<Row>>;
}

interface PoolPlan {
  readonly max: number;
  readonly limits: ServerLimits;
}

/** Each kind of work has connections of its own: a slow report cannot hold up a request, nor requests the bills. */
export function poolPlans(requestsMax: number): Readonly<Record<PoolName, PoolPlan>> {
  return {
    requests: { max: requestsMax, limits: { statementMs: 5_000, lockMs: 2_000 } },
    writer: { max: 2, limits: { statementMs: 15_000, lockMs: 5_000 } },
    reports: { max: 2, limits: { statementMs: 60_000, lockMs: 5_000 } },
  };
}

const IDLE_MS = 60_000;
/** Spreads connections again after a failover or behind a balancer. */
const LIFETIME_S = 1_800;

/** A bounded set of connections with its own time limits. */
export class DatabasePool implements Queryable {
  readonly #pool: pg.Pool;

  constructor(
    readonly name: PoolName,
    private readonly plan: PoolPlan,
    options: {
      readonly target: ConnectionTarget;
      readonly mode: LimitMode;
      readonly logger: Logger;
    },
  ) {
    this.#pool = new pg.Pool({
      ...clientConfig(options.target, name, { limits: plan.limits, mode: options.mode }),
      max: plan.max,
      idleTimeoutMillis: IDLE_MS,
      maxLifetimeSeconds: LIFETIME_S,
    });
    // An idle connection that breaks would end the process if nobody listened.
    this.#pool.on('error', (error) => {
      options.logger.warn({ err: error, pool: name }, 'database connection lost');
    });
  }

  /** One statement, or one transaction written as one statement. Rejects with the driver's error. */
  query<Row extends object = Record<string, unknown>>(
    text: string,
    values: readonly unknown[] = [],
  ): Promise<SqlResult<Row>> {
    return this.#pool.query<Row>(text, [...values]);
  }

  /** Commits what `work` did, or takes everything back when it throws. */
  async transaction<T>(work: (tx: Queryable) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect();
    let broken: Error | undefined;
    try {
      await client.query('BEGIN');
      const result = await work({
        query: <Row extends object>(text: string, values: readonly unknown[] = []) =>
          client.query<Row>(text, [...values]),
      });
      await client.query('COMMIT');
      return result;
    } catch (error) {
      await client.query('ROLLBACK').catch((failed: unknown) => {
        broken = failed instanceof Error ? failed : new Error(String(failed));
      });
      throw error;
    } finally {
      client.release(broken);
    }
  }

  get state(): PoolState {
    const { totalCount, idleCount, waitingCount } = this.#pool;
    return { max: this.plan.max, total: totalCount, idle: idleCount, waiting: waitingCount };
  }

  /** Waits for statements in progress. */
  close(): Promise<void> {
    return this.#pool.end();
  }
}
