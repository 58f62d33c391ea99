import type { DatabasePool } from '@sluice/database';

/**
 * Runs `work` unless another process does so now; then undefined. The lock lives in a transaction of its own,
 * so that it ends with its connection and works behind a pooler of transactions.
 */
export function underLock<T>(
  pool: DatabasePool,
  job: string,
  work: () => Promise<T>,
): Promise<T | undefined> {
  return pool.transaction(async (db) => {
    const { rows } = await db.query<{ locked: boolean }>(
      'SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0)) AS locked',
      [job],
    );
    return rows[0]?.locked === true ? work() : undefined;
  });
}
