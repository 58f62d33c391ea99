import { microToUsd } from '@sluice/kernel';
import type { UsageGroup, UsageReport, UsageSums } from '@sluice/usage';
import type { UsageAnswerJson, UsageSumsJson } from './usage.contract.js';

/** Sums as the API shows them: money in USD, null for what the source does not keep. */
export function usageSumsJson(sums: UsageSums): UsageSumsJson {
  return {
    calls: sums.calls,
    failures: sums.failures ?? null,
    cache_hits: sums.hits ?? null,
    coalesced: sums.coalesced ?? null,
    estimated_calls: sums.estimated ?? null,
    input_tokens: sums.inputTokens,
    output_tokens: sums.outputTokens,
    total_tokens: sums.inputTokens + sums.outputTokens,
    cached_input_tokens: sums.cachedInputTokens ?? null,
    cache_write_tokens: sums.cacheWriteTokens ?? null,
    reasoning_tokens: sums.reasoningTokens ?? null,
    cost_usd: microToUsd(sums.costMicroUsd),
    saved_usd: savedJson(sums.savedMicroUsd),
    latency_ms: latencyJson(sums.latency),
  };
}

/** One group: its values beside its sums. */
export function usageGroupJson({ key, sums }: UsageGroup): UsageGroup['key'] & UsageSumsJson {
  return { ...key, ...usageSumsJson(sums) };
}

export function usageReportJson(report: UsageReport, groupBy: readonly string[]): UsageAnswerJson {
  return {
    object: 'list',
    from: report.from.toISOString(),
    to: report.to.toISOString(),
    group_by: [...groupBy],
    source: report.source,
    data: report.groups.map(usageGroupJson),
    totals: usageSumsJson(report.totals),
    has_more: report.next !== undefined,
    next_cursor: report.next ?? null,
  };
}

function savedJson(saved: UsageSums['savedMicroUsd']): UsageSumsJson['saved_usd'] {
  if (saved === undefined) return null;
  return {
    cache: microToUsd(saved.cache),
    routing: microToUsd(saved.routing),
    coalescing: microToUsd(saved.coalescing),
    total: microToUsd(saved.cache + saved.routing + saved.coalescing),
  };
}

function latencyJson(latency: UsageSums['latency']): UsageSumsJson['latency_ms'] {
  if (latency === undefined) return null;
  return { mean: latency.meanMs, p50: latency.p50Ms, p95: latency.p95Ms, p99: latency.p99Ms };
}
