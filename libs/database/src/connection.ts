import type { ClientConfig } from 'pg';

/** How to reach a server: a URL, or the parts for a Unix socket. */
export type ConnectionTarget =
  | { readonly url: string }
  | {
      readonly host: string;
      readonly port: number;
      readonly user: string;
      readonly database: string;
    };

/** Milliseconds; the server ends what takes longer. */
export interface ServerLimits {
  readonly statementMs: number;
  readonly lockMs: number;
}

/**
 * `startup`: the server takes the limits with the connection. `none`: something between (PgBouncer) refuses
 * them, so they must be set on the role: `ALTER ROLE sluice SET statement_timeout = '5s'`.
 */
export type LimitMode = 'startup' | 'none';

/** A statement whose connection died silently is given up by the client this long after the server's limit. */
const CLIENT_GRACE_MS = 2_000;
const CONNECT_TIMEOUT_MS = 5_000;

/**
 * Safe behind a PgBouncer that pools transactions: no named statements, no session SET, and the limits
 * travel as start-up parameters, which leave no state behind on a shared server connection.
 */
export function clientConfig(
  target: ConnectionTarget,
  name: string,
  options: { readonly limits: ServerLimits; readonly mode: LimitMode },
): ClientConfig {
  const { limits, mode } = options;
  return {
    ...('url' in target ? { connectionString: target.url } : target),
    application_name: `sluice-${name}`,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    query_timeout: limits.statementMs + CLIENT_GRACE_MS,
    ...(mode === 'startup'
      ? { statement_timeout: limits.statementMs, lock_timeout: limits.lockMs }
      : {}),
  };
}

/** PgBouncer's answer to a start-up parameter that it neither tracks nor was told to ignore. */
export function isRefusedParameter(error: unknown): boolean {
  return error instanceof Error && /unsupported startup parameter/i.test(error.message);
}

/** The server is starting, or not there yet: worth another try at start. */
export function isNotReadyYet(error: unknown): boolean {
  const code = (error as { code?: string }).code ?? '';
  return ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'ECONNRESET', '57P03'].includes(code);
}
