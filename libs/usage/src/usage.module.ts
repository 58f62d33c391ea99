import { join } from 'node:path';
import { Module } from '@nestjs/common';
import { ConfigStore } from '@sluice/config';
import { Database } from '@sluice/database';
import { Clock } from '@sluice/kernel';
import { Logger } from '@sluice/observability';
import { AgentStateRepository } from './history/agent-state.repository.js';
import { HistoryRecorder } from './history/history.recorder.js';
import { HistoryRepository } from './history/history.repository.js';
import { CallerErasure } from './jobs/caller.erasure.js';
import { UsageUpkeep } from './jobs/usage.upkeep.js';
import { PaidCallInterceptor } from './paid-call/paid-call.interceptor.js';
import { UsageExport } from './queries/usage.export.js';
import { UsageQueries } from './queries/usage.queries.js';
import { SlowQueryLog } from './slow-query.log.js';
import { UsageSpool } from './spool/usage.spool.js';
import { UsageDelivery } from './usage.delivery.js';
import { UsageInterceptor } from './usage.interceptor.js';
import { UsageMetrics } from './usage.metrics.js';
import { UsageRecorder } from './usage.recorder.js';

const EXPORTS = [
  UsageInterceptor,
  PaidCallInterceptor,
  UsageRecorder,
  UsageQueries,
  UsageExport,
  CallerErasure,
  UsageUpkeep,
  HistoryRepository,
  AgentStateRepository,
];

/** Needs Database, ConfigStore, Logger, Metrics, Clock and DeferredWork from the application. */
@Module({
  providers: [
    {
      provide: UsageSpool,
      useFactory: (config: ConfigStore, logger: Logger) =>
        new UsageSpool({
          root: join(config.env.SLUICE_DATA_DIR, 'spool'),
          maxBytes: () => config.current.sluice.usage.spoolMaxBytes,
          onFault: (error) => logger.error({ err: error }, 'usage spool fault'),
        }),
      inject: [ConfigStore, Logger],
    },
    {
      provide: UsageQueries,
      useFactory: (database: Database, logger: Logger, clock: Clock) =>
        new UsageQueries(new SlowQueryLog(database.reports, logger, clock), clock),
      inject: [Database, Logger, Clock],
    },
    {
      provide: UsageExport,
      useFactory: (database: Database) => new UsageExport(database.reports),
      inject: [Database],
    },
    {
      provide: CallerErasure,
      useFactory: (database: Database, clock: Clock) => new CallerErasure(database.writer, clock),
      inject: [Database, Clock],
    },
    {
      provide: HistoryRepository,
      useFactory: (database: Database) => new HistoryRepository(database.requests),
      inject: [Database],
    },
    {
      provide: AgentStateRepository,
      useFactory: (database: Database) => new AgentStateRepository(database.requests),
      inject: [Database],
    },
    UsageMetrics,
    UsageRecorder,
    HistoryRecorder,
    UsageInterceptor,
    PaidCallInterceptor,
    UsageDelivery,
    UsageUpkeep,
  ],
  exports: EXPORTS,
})
export class UsageModule {}
