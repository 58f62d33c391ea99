import type { Migration } from './migration.js';

/** Remembers erased callers for as long as a gateway may still deliver events of theirs. */
export const usageErasure: Migration = {
  number: 7,
  name: 'usage-erasure',
  owner: 'usage',
  up: `
    CREATE TABLE usage_erasure (
      tenant text NOT NULL,
      caller text NOT NULL,
      pseudonym text NOT NULL,
      erased_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (tenant, caller)
    );
  `,
  down: 'DROP TABLE usage_erasure;',
};
