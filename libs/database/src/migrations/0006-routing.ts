import type { Migration } from './migration.js';

/**
 * Feature flags that were set while running, what the arms of experiments came to, and what gateway replicas tell one
 * another of routing and leave for their successors.
 *
 * `feature_flags` has a row per flag that somebody (or a rollback) has set; a flag without a row follows the environment.
 * `experiment_arms` holds count, sum and sum of squares per arm and metric: replicas add to the same rows, and mean,
 * variance and confidence intervals follow from them.
 * `routing_windows` has absolute counts per replica, subject and slot of time: only its replica writes a row, so writing
 * it twice changes nothing. `changed_at` is the server's clock, by which the others ask for news. Rows live for about an
 * hour. `routing_upgrades` has the last upgrade of each model and grade; who begins one first, wins.
 * `routing_decisions` lets any replica take feedback for a call, once, for a day; `judged` is that once.
 * `performance_alerts` has one open row at most per kind and subject, whoever noticed it.
 * All but `routing_decisions` belong to the installation, not to a tenant.
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

    CREATE TABLE routing_windows (
      replica text NOT NULL,
      subject text NOT NULL,
      start timestamptz NOT NULL,
      calls integer NOT NULL,
      failures integer NOT NULL,
      latency text,
      changed_at timestamptz NOT NULL,
      PRIMARY KEY (replica, subject, start)
    ) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 500);

    CREATE TABLE routing_upgrades (
      model text NOT NULL,
      grade text NOT NULL,
      since timestamptz NOT NULL,
      until timestamptz NOT NULL,
      relapses smallint NOT NULL,
      PRIMARY KEY (model, grade)
    );

    CREATE TABLE routing_decisions (
      request_id text PRIMARY KEY,
      at timestamptz NOT NULL,
      tenant text NOT NULL,
      caller text NOT NULL,
      model text NOT NULL,
      grade text,
      experiment text,
      arm text,
      estimate double precision,
      judged boolean NOT NULL DEFAULT false
    );
    CREATE INDEX routing_decisions_at ON routing_decisions USING brin (at) WITH (pages_per_range = 16);

    CREATE TABLE performance_alerts (
      id uuid PRIMARY KEY,
      kind text NOT NULL,
      subject text NOT NULL,
      message text NOT NULL,
      raised_at timestamptz NOT NULL,
      resolved_at timestamptz,
      delivered_at timestamptz,
      tries smallint NOT NULL DEFAULT 0
    );
    CREATE UNIQUE INDEX performance_alerts_open ON performance_alerts (kind, subject) WHERE resolved_at IS NULL;
  `,
  down: `
    DROP TABLE performance_alerts;
    DROP TABLE routing_decisions;
    DROP TABLE routing_upgrades;
    DROP TABLE routing_windows;
    DROP TABLE experiment_arms;
    DROP TABLE feature_flags;
  `,
};
