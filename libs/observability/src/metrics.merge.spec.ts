import { describe, expect, it } from '@jest/globals';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { lasting, mergeMetrics, type MetricSnapshot } from './metrics.merge.js';

/** The metrics of one process that served `calls`. */
async function processWith(calls: number, configVersion = 1): Promise<MetricSnapshot> {
  const registry = new Registry();
  const registers = [registry];
  new Counter({ name: 'sluice_requests_total', help: 'h', labelNames: ['route'], registers }).inc(
    { route: '/chat' },
    calls,
  );
  new Gauge({ name: 'sluice_provider_inflight', help: 'h', registers }).set(calls);
  new Gauge({ name: 'sluice_config_version', help: 'h', registers }).set(configVersion);
  const entries = new Gauge({
    name: 'sluice_cache_entries',
    help: 'h',
    labelNames: ['tier'],
    registers,
  });
  entries.set({ tier: 'l1' }, calls);
  entries.set({ tier: 'l2' }, 7);
  const seconds = new Histogram({ name: 'sluice_seconds', help: 'h', buckets: [1, 2], registers });
  for (let i = 0; i < calls; i++) seconds.observe(1.5);
  return structuredClone(await registry.getMetricsAsJSON());
}

describe('mergeMetrics', () => {
  it('adds up counters, histograms and what each process has of its own', async () => {
    const text = await mergeMetrics([await processWith(2), await processWith(3)]).metrics();
    expect(text).toContain('# TYPE sluice_requests_total counter');
    expect(text).toContain('sluice_requests_total{route="/chat"} 5');
    expect(text).toContain('sluice_provider_inflight 5');
    expect(text).toContain('sluice_seconds_bucket{le="1"} 0');
    expect(text).toContain('sluice_seconds_bucket{le="2"} 5');
    expect(text).toContain('sluice_seconds_sum 7.5');
    expect(text).toContain('sluice_seconds_count 5');
  });

  it('does not add up what all of them see alike', async () => {
    const text = await mergeMetrics([await processWith(2, 4), await processWith(3, 3)]).metrics();
    expect(text).toContain('sluice_config_version 3');
    expect(text).toContain('sluice_cache_entries{tier="l1"} 5');
    expect(text).toContain('sluice_cache_entries{tier="l2"} 7');
  });

  it('keeps the counts of a process that has ended, and nothing else of it', async () => {
    const ended = lasting(await processWith(2));
    const text = await mergeMetrics([ended, await processWith(3)]).metrics();
    expect(text).toContain('sluice_requests_total{route="/chat"} 5');
    expect(text).toContain('sluice_seconds_count 5');
    expect(text).toContain('sluice_provider_inflight 3');
  });

  it('gives the same as JSON', async () => {
    const json = await mergeMetrics([
      await processWith(2),
      await processWith(3),
    ]).getMetricsAsJSON();
    expect(json.find((metric) => metric.name === 'sluice_provider_inflight')?.values).toEqual([
      { value: 5, labels: {} },
    ]);
  });
});
