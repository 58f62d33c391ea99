import type { Migration } from './migration.js';

/**
 * Feature flags that were set while running, and what the arms of experiments came to.
 *
 * `feature_flags` has a row per flag that somebody (or a rollback) has set; a flag without a row follows the environment.
 * `experiment_arms` holds count, sum and sum of squares per arm and metric: replicas add to the same rows, and mean,
 * variance and confidence intervals follow from them. Both belong to the installation, not to a tenant.
 */
export const routing: Migration = {
  number: 6,
  name: 'routing',
  owner: 'routing',
  up: `
    CREATE TABLE feature_flags (
      name text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9_]{0,63}$'),
      enabled boolean NOT NULL,
      observation jsonb,
      reason text NOT NULL,
      updated_at timestamptz NOT NULL
    );

    CREATE TABLE experiment_arms (
      experiment text NOT NULL,
      arm text NOT NULL,
      metric text NOT NULL,
      n bigint NOT NULL,
      sum double precision NOT NULL,
      squares double precision NOT NULL,
      PRIMARY KEY (experiment, arm, metric)
    ) WITH (fillfactor = 50);
  `,
  down: `
    DROP TABLE experiment_arms;
    DROP TABLE feature_flags;
  `,
};
