import { Global, Module } from '@nestjs/common';
import { ConfigStore, secretValues } from '@sluice/config';
import { Clock, SystemClock } from '@sluice/kernel';
import { ConfigReport } from './config.report.js';
import { DeferredWork } from './deferred-work.js';
import { Logger } from './logger.js';
import { Metrics } from './metrics.js';
import { PinoLogger } from './pino.logger.js';
import { createTracer } from './tracer.factory.js';
import { Tracer } from './tracer.js';

/** What every room may ask for: log, metrics, traces, time, and a place for work that no caller waits for. */
@Global()
@Module({
  providers: [
    { provide: Clock, useClass: SystemClock },
    {
      provide: PinoLogger,
      inject: [ConfigStore],
      useFactory: (config: ConfigStore) =>
        new PinoLogger({
          level: config.env.LOG_LEVEL,
          secrets: secretValues(config.env, config.current),
        }),
    },
    { provide: Logger, useExisting: PinoLogger },
    {
      provide: Metrics,
      useFactory: () => {
        const metrics = new Metrics();
        metrics.collectProcess();
        return metrics;
      },
    },
    {
      provide: DeferredWork,
      inject: [Logger],
      useFactory: (logger: Logger) => new DeferredWork(logger),
    },
    {
      provide: Tracer,
      inject: [ConfigStore],
      useFactory: ({ env }: ConfigStore) =>
        createTracer({
          endpoint: env.OTEL_EXPORTER_OTLP_ENDPOINT,
          serviceName: env.OTEL_SERVICE_NAME,
        }),
    },
    ConfigReport,
  ],
  exports: [Clock, PinoLogger, Logger, Metrics, DeferredWork, Tracer],
})
export class ObservabilityModule {}
