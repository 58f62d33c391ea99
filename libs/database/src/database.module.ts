import { Module, type DynamicModule } from '@nestjs/common';
import { ConfigStore } from '@sluice/config';
import { Logger, Metrics } from '@sluice/observability';
import { Database } from './database.js';
import { databaseSettings, type EmbeddedMode } from './database.settings.js';

/** Gives a {@link Database} that is open and migrated before anything that injects it exists. */
@Module({})
export class DatabaseModule {
  /** `join` for processes beside the gateway that use its embedded server. */
  static with(embedded: EmbeddedMode = 'own'): DynamicModule {
    return {
      module: DatabaseModule,
      global: true,
      providers: [
        {
          provide: Database,
          useFactory: (config: ConfigStore, logger: Logger, metrics: Metrics) =>
            Database.open({ settings: databaseSettings(config.env, embedded), logger, metrics }),
          inject: [ConfigStore, Logger, Metrics],
        },
      ],
      exports: [Database],
    };
  }
}
