import { Registry, type MetricObjectWithValues, type MetricValue } from 'prom-client';

/** What a registry says of itself: the answer of `getMetricsAsJSON()`. */
export type MetricSnapshot = MetricObjectWithValues<MetricValue<string>>[];
type Value = MetricValue<string> & { readonly metricName?: string };
type Mode = 'sum' | 'max' | 'min' | 'mean';

/**
 * Gauges that do not add up over processes. Each process sees the same budget, configuration or shared tier, so their
 * sum would be wrong; of delays the worst counts.
 */
const MODES: Readonly<Record<string, Mode>> = {
  sluice_budget_spent_ratio: 'max',
  sluice_breaker_state: 'max',
  sluice_config_version: 'min',
  sluice_rate_limits_degraded: 'max',
  sluice_cache_hit_rate: 'mean',
  sluice_semantic_false_hit_rate: 'max',
  sluice_usage_spool_bytes: 'max',
  process_start_time_seconds: 'min',
  nodejs_version_info: 'max',
  nodejs_eventloop_lag_mean_seconds: 'mean',
  nodejs_eventloop_lag_min_seconds: 'min',
};

function modeOf(metric: string, value: Value): Mode {
  if (metric.startsWith('sluice_cache_entries') && value.labels.tier !== 'l1') return 'max';
  if (metric.startsWith('nodejs_eventloop_lag')) return MODES[metric] ?? 'max';
  return MODES[metric] ?? 'sum';
}

/** The metrics of several processes as those of one. */
export function mergeMetrics(snapshots: readonly MetricSnapshot[]): Registry {
  const registry = new Registry();
  const byName = Map.groupBy(snapshots.flat(), (metric) => metric.name);
  for (const [name, metrics] of byName) {
    const [first] = metrics;
    if (first === undefined) continue;
    const merged = { ...first, values: mergeValues(name, metrics) };
    // A registry asks its metrics for their values; ours are known. Its types know only its own classes.
    registry.registerMetric({ ...merged, get: () => merged } as never);
  }
  return registry;
}

/** Only what grows: what an ended process leaves behind, so that sums do not fall when it has gone. */
export function lasting(snapshot: MetricSnapshot): MetricSnapshot {
  return snapshot.filter((metric) => {
    // The types say enum, the values are its names.
    const type = String(metric.type);
    return (type === 'counter' || type === 'histogram') && !metric.name.startsWith('process_');
  });
}

function mergeValues(name: string, metrics: MetricSnapshot): Value[] {
  const values: Value[] = metrics.flatMap((metric) => metric.values);
  const same = Map.groupBy(values, ({ metricName = '', labels }) =>
    JSON.stringify([metricName, Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))]),
  );
  return [...same.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const numbers = group.map(({ value }) => value);
    return [{ ...first, value: combine(modeOf(name, first), numbers) }];
  });
}

function combine(mode: Mode, values: readonly number[]): number {
  if (mode === 'max') return Math.max(...values);
  if (mode === 'min') return Math.min(...values);
  const sum = values.reduce((total, value) => total + value, 0);
  return mode === 'mean' ? sum / values.length : sum;
}
