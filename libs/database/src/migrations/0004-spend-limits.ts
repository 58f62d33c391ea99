import type { Migration } from './migration.js';

/**
 * What limits must not forget.
 *
 * `spend_allowances`: per counter (`scope|unit|period`) how much is leased to ledgers in memory and Redis. Whatever is
 * leased and not given back counts as spent after a crash. Rows of past periods may be deleted at any time.
 * `budget_alerts`: one row per counter and threshold: its unique key is what makes an alert fire once.
 * `spend_control`: one row, the emergency switch, read by every replica.
 */
export const spendLimits: Migration = {
  number: 4,
  name: 'spend-limits',
  owner: 'token-limits',
  up: `
    CREATE TABLE spend_allowances (
      counter text PRIMARY KEY,
      period text NOT NULL,
      allocated bigint NOT NULL CHECK (allocated >= 0)
    ) WITH (fillfactor = 70);
    CREATE INDEX spend_allowances_by_period ON spend_allowances (period);

    CREATE TABLE budget_alerts (
      id uuid PRIMARY KEY,
      counter text NOT NULL,
      threshold numeric NOT NULL,
      scope text NOT NULL,
      unit text NOT NULL,
      period text NOT NULL,
      limit_amount bigint NOT NULL,
      spent bigint NOT NULL,
      at timestamptz NOT NULL,
      delivered_at timestamptz,
      tries integer NOT NULL DEFAULT 0,
      UNIQUE (counter, threshold)
    );

    CREATE TABLE spend_control (
      one boolean PRIMARY KEY DEFAULT true CHECK (one),
      shut_down boolean NOT NULL DEFAULT false,
      waived text[] NOT NULL DEFAULT '{}',
      changed_at timestamptz NOT NULL
    );
  `,
  down: `
    DROP TABLE spend_control;
    DROP TABLE budget_alerts;
    DROP TABLE spend_allowances;
  `,
};
