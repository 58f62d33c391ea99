import type { Migration } from './migration.js';

/** Emergency limits of requests: one per subject, the last one counts. `per_hour` null means no limit. */
export const rateOverrides: Migration = {
  number: 5,
  name: 'rate-overrides',
  owner: 'rate-limit',
  up: `
    CREATE TABLE rate_overrides (
      subject text PRIMARY KEY,
      until timestamptz NOT NULL,
      per_hour integer CHECK (per_hour > 0)
    );
  `,
  down: 'DROP TABLE rate_overrides;',
};
