import { Module, type DynamicModule } from '@nestjs/common';
import { ConfigModule, type ConfigStore } from '@sluice/config';
import { DatabaseModule } from '@sluice/database';
import { ObservabilityModule } from '@sluice/observability';
import { SchedulesModule } from './schedules.module.js';
import { WorkerHealthController } from './worker-health.controller.js';

@Module({})
export class WorkerModule {
  static with(config: ConfigStore): DynamicModule {
    return {
      module: WorkerModule,
      imports: [
        ConfigModule.with(config),
        ObservabilityModule,
        // The embedded server belongs to the gateway: the worker uses it where it runs.
        DatabaseModule.with('join-or-own'),
        SchedulesModule,
      ],
      controllers: [WorkerHealthController],
    };
  }
}
