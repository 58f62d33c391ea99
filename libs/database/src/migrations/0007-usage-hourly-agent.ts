import type { Migration } from './migration.js';

/**
 * Agents by hour: read from single events, a day of them took 600 ms. Filled from what events there are, so that the
 * sums are whole from the first moment.
 */
export const usageHourlyAgent: Migration = {
  number: 7,
  name: 'usage-hourly-agent',
  owner: 'usage',
  up: `
    CREATE TABLE usage_hourly_agent (
      tenant text NOT NULL,
      hour timestamptz NOT NULL,
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
      PRIMARY KEY (tenant, hour, agent, model, provider, tier)
    ) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 500);
    INSERT INTO usage_hourly_agent
    SELECT tenant, date_trunc('hour', at, 'UTC'), coalesce(agent, ''), model, provider, tier,
      count(*) FILTER (WHERE corrects IS NULL),
      count(*) FILTER (WHERE outcome IN ('failed', 'refused') AND corrects IS NULL),
      count(*) FILTER (WHERE outcome = 'hit' AND corrects IS NULL),
      count(*) FILTER (WHERE outcome = 'coalesced' AND corrects IS NULL),
      count(*) FILTER (WHERE estimated AND corrects IS NULL),
      sum(input_tokens), sum(output_tokens), sum(cached_input_tokens), sum(cache_write_tokens),
      sum(reasoning_tokens), sum(cost_micro_usd), sum(saved_cache_micro_usd),
      sum(saved_routing_micro_usd), sum(saved_coalescing_micro_usd),
      coalesce(sum(duration_us) FILTER (WHERE corrects IS NULL), 0)
    FROM token_usage GROUP BY 1, 2, 3, 4, 5, 6;
  `,
  down: `
    DROP TABLE usage_hourly_agent;
  `,
};
