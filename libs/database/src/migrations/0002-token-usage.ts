import type { Migration } from './migration.js';

/**
 * What calls have cost: one immutable row per call, and the sums that every page reads.
 *
 * `token_usage` is partitioned by week, so that the past can be dropped and not deleted. Its key is (request_id, at)
 * because a partitioned table's key must hold the partition column; `at` is fixed when the event is first written,
 * so a replay meets its own row. The weeks ahead are made by a job; the default partition takes what no week fits.
 * Rollup rows are updated by every batch: the free room in each page keeps those updates off the index.
 * `usage_erasure` remembers erased callers for as long as a gateway may still deliver events of theirs.
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

    CREATE TABLE usage_hourly (
      tenant text NOT NULL,
      hour timestamptz NOT NULL,
      model text NOT NULL,
      provider text NOT NULL,
      tier text NOT NULL,
      calls bigint NOT NULL,
      failures bigint NOT NULL,
      hits bigint NOT NULL,
      coalesced bigint NOT NULL,
      estimated bigint NOT NULL,
      input_tokens bigint NOT NULL,
      output_tokens bigint NOT NULL,
      cached_input_tokens bigint NOT NULL,
      cache_write_tokens bigint NOT NULL,
      reasoning_tokens bigint NOT NULL,
      cost_micro_usd bigint NOT NULL,
      saved_cache_micro_usd bigint NOT NULL,
      saved_routing_micro_usd bigint NOT NULL,
      saved_coalescing_micro_usd bigint NOT NULL,
      duration_us bigint NOT NULL,
      h00 integer NOT NULL, h01 integer NOT NULL, h02 integer NOT NULL, h03 integer NOT NULL,
      h04 integer NOT NULL, h05 integer NOT NULL, h06 integer NOT NULL, h07 integer NOT NULL,
      h08 integer NOT NULL, h09 integer NOT NULL, h10 integer NOT NULL, h11 integer NOT NULL,
      h12 integer NOT NULL, h13 integer NOT NULL, h14 integer NOT NULL, h15 integer NOT NULL,
      h16 integer NOT NULL, h17 integer NOT NULL, h18 integer NOT NULL, h19 integer NOT NULL,
      h20 integer NOT NULL, h21 integer NOT NULL, h22 integer NOT NULL, h23 integer NOT NULL,
      h24 integer NOT NULL, h25 integer NOT NULL, h26 integer NOT NULL, h27 integer NOT NULL,
      h28 integer NOT NULL, h29 integer NOT NULL, h30 integer NOT NULL, h31 integer NOT NULL,
      h32 integer NOT NULL,
      PRIMARY KEY (tenant, hour, model, provider, tier)
    ) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 500);
    CREATE TABLE usage_daily (
      tenant text NOT NULL,
      day date NOT NULL,
      model text NOT NULL,
      provider text NOT NULL,
      tier text NOT NULL,
      calls bigint NOT NULL,
      failures bigint NOT NULL,
      hits bigint NOT NULL,
      coalesced bigint NOT NULL,
      estimated bigint NOT NULL,
      input_tokens bigint NOT NULL,
      output_tokens bigint NOT NULL,
      cached_input_tokens bigint NOT NULL,
      cache_write_tokens bigint NOT NULL,
      reasoning_tokens bigint NOT NULL,
      cost_micro_usd bigint NOT NULL,
      saved_cache_micro_usd bigint NOT NULL,
      saved_routing_micro_usd bigint NOT NULL,
      saved_coalescing_micro_usd bigint NOT NULL,
      duration_us bigint NOT NULL,
      h00 integer NOT NULL, h01 integer NOT NULL, h02 integer NOT NULL, h03 integer NOT NULL,
      h04 integer NOT NULL, h05 integer NOT NULL, h06 integer NOT NULL, h07 integer NOT NULL,
      h08 integer NOT NULL, h09 integer NOT NULL, h10 integer NOT NULL, h11 integer NOT NULL,
      h12 integer NOT NULL, h13 integer NOT NULL, h14 integer NOT NULL, h15 integer NOT NULL,
      h16 integer NOT NULL, h17 integer NOT NULL, h18 integer NOT NULL, h19 integer NOT NULL,
      h20 integer NOT NULL, h21 integer NOT NULL, h22 integer NOT NULL, h23 integer NOT NULL,
      h24 integer NOT NULL, h25 integer NOT NULL, h26 integer NOT NULL, h27 integer NOT NULL,
      h28 integer NOT NULL, h29 integer NOT NULL, h30 integer NOT NULL, h31 integer NOT NULL,
      h32 integer NOT NULL,
      PRIMARY KEY (tenant, day, model, provider, tier)
    ) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 500);
    CREATE TABLE usage_daily_agent (
      tenant text NOT NULL,
      day date NOT NULL,
      agent text NOT NULL,
      model text NOT NULL,
      provider text NOT NULL,
      tier text NOT NULL,
      calls bigint NOT NULL,
      failures bigint NOT NULL,
      hits bigint NOT NULL,
      coalesced bigint NOT NULL,
      estimated bigint NOT NULL,
      input_tokens bigint NOT NULL,
      output_tokens bigint NOT NULL,
      cached_input_tokens bigint NOT NULL,
      cache_write_tokens bigint NOT NULL,
      reasoning_tokens bigint NOT NULL,
      cost_micro_usd bigint NOT NULL,
      saved_cache_micro_usd bigint NOT NULL,
      saved_routing_micro_usd bigint NOT NULL,
      saved_coalescing_micro_usd bigint NOT NULL,
      duration_us bigint NOT NULL,
      PRIMARY KEY (tenant, day, agent, model, provider, tier)
    ) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 500);
    CREATE TABLE usage_daily_caller (
      tenant text NOT NULL,
      day date NOT NULL,
      caller text NOT NULL,
      agent text NOT NULL,
      model text NOT NULL,
      provider text NOT NULL,
      tier text NOT NULL,
      calls bigint NOT NULL,
      failures bigint NOT NULL,
      hits bigint NOT NULL,
      coalesced bigint NOT NULL,
      estimated bigint NOT NULL,
      input_tokens bigint NOT NULL,
      output_tokens bigint NOT NULL,
      cached_input_tokens bigint NOT NULL,
      cache_write_tokens bigint NOT NULL,
      reasoning_tokens bigint NOT NULL,
      cost_micro_usd bigint NOT NULL,
      saved_cache_micro_usd bigint NOT NULL,
      saved_routing_micro_usd bigint NOT NULL,
      saved_coalescing_micro_usd bigint NOT NULL,
      duration_us bigint NOT NULL,
      PRIMARY KEY (tenant, day, caller, agent, model, provider, tier)
    ) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 500);
    CREATE INDEX usage_daily_caller_caller ON usage_daily_caller (tenant, caller, day);

    CREATE TABLE usage_erasure (
      tenant text NOT NULL,
      caller text NOT NULL,
      pseudonym text NOT NULL,
      erased_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (tenant, caller)
    );
  `,
  down: `
    DROP TABLE usage_erasure;
    DROP TABLE usage_daily_caller;
    DROP TABLE usage_daily_agent;
    DROP TABLE usage_daily;
    DROP TABLE usage_hourly;
    DROP TABLE token_usage;
  `,
};
