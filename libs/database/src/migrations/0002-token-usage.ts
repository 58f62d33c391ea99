import type { Migration } from './migration.js';

const SUMS = [
  ...['calls', 'failures', 'hits', 'coalesced', 'estimated'],
  ...['input_tokens', 'output_tokens', 'cached_input_tokens', 'cache_write_tokens'],
  ...['reasoning_tokens', 'cost_micro_usd', 'saved_cache_micro_usd', 'saved_routing_micro_usd'],
  ...['saved_coalescing_micro_usd', 'duration_us'],
].map((name) => `${name} bigint NOT NULL`);

/** Calls by duration, in 33 buckets: plain columns, so that a report sums them and unnests nothing. */
const BUCKETS = Array.from(
  { length: 33 },
  (_, n) => `h${String(n).padStart(2, '0')} integer NOT NULL`,
);

/** A table of sums per tenant and key; a key column without a type is text. */
function rollup(name: string, key: readonly string[], { histogram = false } = {}): string {
  const typed = ['tenant', ...key].map((column) =>
    column.includes(' ') ? column : `${column} text`,
  );
  const columns = [
    ...typed.map((column) => `${column} NOT NULL`),
    ...SUMS,
    ...(histogram ? BUCKETS : []),
  ];
  const names = typed.map((column) => column.split(' ', 1)[0]);
  return `CREATE TABLE ${name} (${columns.join(', ')}, PRIMARY KEY (${names.join(', ')}))
      WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 500);`;
}

/**
 * What calls have cost: one immutable row per call, and the sums that every page reads.
 *
 * `token_usage` is partitioned by week, so that the past can be dropped and not deleted. Its key is (request_id, at)
 * because a partitioned table's key must hold the partition column; `at` is fixed when the event is first written,
 * so a replay meets its own row. The weeks ahead are made by a job; the default partition takes what no week fits.
 * Rollup rows are updated by every batch: the free room in each page keeps those updates off the index.
 */
export const tokenUsage: Migration = {
  number: 2,
  name: 'token-usage',
  owner: 'usage',
  up: `
    CREATE TABLE token_usage (
      request_id uuid NOT NULL,
      at timestamptz NOT NULL,
      corrects uuid,
      cost_micro_usd bigint NOT NULL,
      saved_cache_micro_usd bigint NOT NULL,
      saved_routing_micro_usd bigint NOT NULL,
      saved_coalescing_micro_usd bigint NOT NULL,
      duration_us bigint NOT NULL,
      ttft_us bigint,
      overhead_us bigint NOT NULL,
      input_tokens integer NOT NULL,
      output_tokens integer NOT NULL,
      cached_input_tokens integer NOT NULL,
      cache_write_tokens integer NOT NULL,
      reasoning_tokens integer NOT NULL,
      config_version integer NOT NULL,
      status smallint NOT NULL,
      attempts smallint NOT NULL,
      stream boolean NOT NULL,
      estimated boolean NOT NULL,
      tenant text NOT NULL,
      caller text NOT NULL,
      key_id text,
      tier text NOT NULL,
      agent text,
      session text,
      route text NOT NULL,
      dialect text NOT NULL,
      requested_model text NOT NULL,
      model text NOT NULL,
      provider text NOT NULL,
      outcome text NOT NULL,
      error_code text,
      cache text,
      path text NOT NULL,
      experiment text,
      experiment_arm text,
      PRIMARY KEY (request_id, at)
    ) PARTITION BY RANGE (at);
    CREATE INDEX token_usage_caller ON token_usage (tenant, caller, at)
      INCLUDE (agent, model, input_tokens, output_tokens, cost_micro_usd, corrects);
    CREATE INDEX token_usage_at ON token_usage USING brin (at) WITH (pages_per_range = 16, autosummarize = on);
    CREATE TABLE token_usage_default PARTITION OF token_usage DEFAULT;
    DO $$
    DECLARE
      week timestamptz := date_trunc('week', now(), 'UTC') - interval '1 week';
    BEGIN
      FOR n IN 0..9 LOOP
        EXECUTE format('CREATE TABLE token_usage_%s PARTITION OF token_usage FOR VALUES FROM (%L) TO (%L)',
          to_char(week AT TIME ZONE 'UTC', 'YYYYMMDD'), week, week + interval '7 days');
        week := week + interval '7 days';
      END LOOP;
    END $$;

    ${rollup('usage_hourly', ['hour timestamptz', 'model', 'provider', 'tier'], { histogram: true })}
    ${rollup('usage_hourly_agent', ['hour timestamptz', 'agent', 'model', 'provider', 'tier'])}
    ${rollup('usage_daily', ['day date', 'model', 'provider', 'tier'], { histogram: true })}
    ${rollup('usage_daily_agent', ['day date', 'agent', 'model', 'provider', 'tier'])}
    ${rollup('usage_daily_caller', ['day date', 'caller', 'agent', 'model', 'provider', 'tier'])}
    CREATE INDEX usage_daily_caller_caller ON usage_daily_caller (tenant, caller, day);
  `,
  down: `
    DROP TABLE usage_daily_caller;
    DROP TABLE usage_daily_agent;
    DROP TABLE usage_daily;
    DROP TABLE usage_hourly_agent;
    DROP TABLE usage_hourly;
    DROP TABLE token_usage;
  `,
};
