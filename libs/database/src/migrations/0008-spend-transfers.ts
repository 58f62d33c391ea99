import type { Migration } from './migration.js';

/**
 * The last step of each process that moves allowances between `spend_allowances` and Redis: its number, the life of Redis's
 * memory it belongs to, and what was granted, until Redis is known to have it. Whoever finds an unfinished one finishes it.
 * `shared`: what of `allocated` is leased to Redis, in the life of its memory that `epoch` names.
 */
export const spendTransfers: Migration = {
  number: 8,
  name: 'spend-transfers',
  owner: 'token-limits',
  up: `
    CREATE TABLE spend_transfers (
      giver text PRIMARY KEY,
      number bigint NOT NULL,
      epoch text NOT NULL,
      grants jsonb NOT NULL,
      at timestamptz NOT NULL
    ) WITH (fillfactor = 50);
    ALTER TABLE spend_allowances
      ADD COLUMN shared bigint NOT NULL DEFAULT 0,
      ADD COLUMN epoch text NOT NULL DEFAULT '';
  `,
  down: `
    ALTER TABLE spend_allowances DROP COLUMN shared, DROP COLUMN epoch;
    DROP TABLE spend_transfers;
  `,
};
