import { describe, expect, it } from '@jest/globals';
import { Test } from '@nestjs/testing';
import { ConfigModule, configFromObjects } from '@sluice/config';
import { Clock } from '@sluice/kernel';
import { ConfigReport } from './config.report.js';
import { DeferredWork } from './deferred-work.js';
import { Logger } from './logger.js';
import { Metrics } from './metrics.js';
import { ObservabilityModule } from './observability.module.js';
import { PinoLogger } from './pino.logger.js';
import { Tracer } from './tracer.js';

async function start(env: Record<string, string> = {}) {
  const config = configFromObjects({ env: { LOG_LEVEL: 'silent', ...env } });
  const app = await Test.createTestingModule({
    imports: [ConfigModule.with(config), ObservabilityModule],
  }).compile();
  return { app, config };
}

describe('ObservabilityModule', () => {
  it('gives every module log, metrics, time, deferred work and a tracer', async () => {
    const { app } = await start();
    expect(app.get(Logger)).toBe(app.get(PinoLogger));
    expect(app.get(Logger).isLevelEnabled('info')).toBe(false);
    expect(app.get(Clock).now()).toBeGreaterThan(0);
    expect(app.get(DeferredWork).pending).toBe(0);
    expect(app.get(Tracer).enabled).toBe(false);
    await app.close();
  });

  it('counts the usual process and Node.js metrics', async () => {
    const { app } = await start();
    const text = await app.get(Metrics).registry.metrics();
    for (const name of [
      'process_cpu_seconds_total',
      'process_resident_memory_bytes',
      'nodejs_eventloop_lag_seconds',
      'nodejs_heap_size_used_bytes',
      'sluice_config_version 1',
    ]) {
      expect(text).toContain(name);
    }
    await app.close();
  });
});

describe('ConfigReport', () => {
  function report() {
    const lines: { level: string; msg: string; [field: string]: unknown }[] = [];
    const logger = new PinoLogger({
      level: 'info',
      sink: { write: (line) => lines.push(JSON.parse(line)) },
    });
    const metrics = new Metrics();
    const config = configFromObjects();
    const listener = new ConfigReport(config, logger, metrics);
    return { lines, logger, metrics, config, listener };
  }

  it('says in log and metrics that a new version serves, and hides its keys from then on', async () => {
    const { lines, logger, metrics, config, listener } = report();
    config.replace({
      sluice: { providers: [{ id: 'a', kind: 'openai', apiKey: 'unshaped-key-value' }] },
    });
    expect(lines).toEqual([
      expect.objectContaining({ level: 'info', msg: 'configuration reloaded', version: 2 }),
    ]);
    expect(await metrics.registry.metrics()).toContain('sluice_config_version 2');
    logger.info({ said: 'unshaped-key-value' }, 'x');
    expect(lines.at(-1)?.said).toBe('***');
    listener.onModuleDestroy();
    config.replace({});
    expect(lines).toHaveLength(2);
  });

  it('says why a new version was refused', () => {
    const { lines, config } = report();
    config.refuse(['x.yaml:3: models: wrong']);
    expect(lines[0]).toMatchObject({ level: 'error', problems: ['x.yaml:3: models: wrong'] });
  });
});
