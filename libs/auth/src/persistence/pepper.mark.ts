import type { Queryable } from '@sluice/database';

/** The row that says with which pepper the keys of a database were hashed. */

/** True when `fingerprint` is the one of this database; becomes it when no key was made with another. */
export async function claimPepper(tx: Queryable, fingerprint: Buffer): Promise<boolean> {
  // A table lock, not a row's: the first two gateways of a new database find no row to lock.
  await tx.query('LOCK TABLE key_pepper IN EXCLUSIVE MODE');
  const { rows } = await tx.query<{ same: boolean; used: boolean }>(
    `SELECT fingerprint = $1 AS same, EXISTS (SELECT FROM api_keys WHERE revoked_at IS NULL) AS used FROM key_pepper`,
    [fingerprint],
  );
  const [mark] = rows;
  if (mark?.same === true) return true;
  if (mark?.used === true) return false;
  await tx.query(
    `INSERT INTO key_pepper (one, fingerprint) VALUES (true, $1)
     ON CONFLICT (one) DO UPDATE SET fingerprint = excluded.fingerprint`,
    [fingerprint],
  );
  return true;
}
