import { describe, expect, it, jest } from '@jest/globals';
import { configFromObjects } from '@sluice/config';
import { Metrics } from '@sluice/observability';
import { RecordingLogger } from '../testing/logs.js';
import { CacheMetrics } from './cache-metrics.js';
import type { CacheStorage } from './cache-storage.js';
import { MemoryMonitor } from './memory-monitor.js';

function monitorOf() {
  const sizes: { maxEntries: number; maxBytes: number }[] = [];
  const storage = {
    memory: {
      resize: (size: { maxEntries: number; maxBytes: number }) => sizes.push(size),
    },
  } as unknown as CacheStorage;
  const metrics = new Metrics();
  const logger = new RecordingLogger();
  const config = configFromObjects({
    sluice: { cache: { l1: { maxEntries: 1000, maxBytes: '64kb' } } },
  });
  let reload = (): void => undefined;
  jest.spyOn(config, 'onChange').mockImplementation((listener) => {
    reload = () => listener(config.current, config.current);
    return () => undefined;
  });
  const monitor = new MemoryMonitor(config, storage, new CacheMetrics(metrics), logger);
  return { monitor, sizes, logger, metrics, reload: () => reload() };
}

describe('the memory monitor', () => {
  it('halves the first tier while memory is short, to a sixteenth and no further', () => {
    const { monitor, sizes, logger } = monitorOf();
    for (let i = 0; i < 6; i++) monitor.check(0.9);
    expect(sizes.map(({ maxEntries }) => maxEntries)).toEqual([500, 250, 125, 62]);
    expect(sizes.at(-1)?.maxBytes).toBe(4096);
    expect(logger.lines).toHaveLength(4);
    expect(logger.lines[0]?.fields).toMatchObject({ heap: 0.9, share: 0.5 });
  });

  it('gives it back step by step when there is room, and leaves it between', () => {
    const { monitor, sizes } = monitorOf();
    monitor.check(0.9);
    monitor.check(0.9);
    monitor.check(0.7);
    monitor.check(0.5);
    monitor.check(0.5);
    monitor.check(0.5);
    expect(sizes.map(({ maxEntries }) => maxEntries)).toEqual([500, 250, 500, 1000]);
  });

  it('stays small when the configuration is read again', () => {
    const { monitor, sizes, reload } = monitorOf();
    reload();
    expect(sizes).toEqual([]);
    monitor.check(0.9);
    reload();
    expect(sizes.map(({ maxEntries }) => maxEntries)).toEqual([500, 500]);
  });

  it('counts each halving, and keeps no timer after the end', async () => {
    const { monitor, metrics } = monitorOf();
    monitor.onApplicationBootstrap();
    monitor.check(0.9);
    monitor.onModuleDestroy();
    const text = await metrics.registry.getSingleMetricAsString(
      'sluice_cache_memory_pressure_total',
    );
    expect(text).toMatch(/_total 1$/m);
  });
});
