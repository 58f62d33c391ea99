import 'reflect-metadata';
import { Global, Module, type DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AuthModule, KeyService } from '@sluice/auth';
import { ConfigModule, loadConfig, type ConfigStore } from '@sluice/config';
import { DatabaseModule } from '@sluice/database';
import { Clock, SystemClock } from '@sluice/kernel';
import { DeferredWork, Logger, Metrics, SilentLogger } from '@sluice/observability';
import { keysCommand } from './admin/keys.command.js';

/** As much of the gateway as keys need, and silent: standard output is for the answer. */
@Global()
@Module({
  providers: [
    Metrics,
    { provide: Logger, useClass: SilentLogger },
    { provide: Clock, useClass: SystemClock },
    {
      provide: DeferredWork,
      useFactory: (logger: Logger) => new DeferredWork(logger),
      inject: [Logger],
    },
  ],
  exports: [Metrics, Logger, Clock, DeferredWork],
})
class KeysCliModule {
  static with(config: ConfigStore): DynamicModule {
    return {
      module: KeysCliModule,
      // Beside a running gateway its embedded server is used; otherwise one is started for this command.
      imports: [ConfigModule.with(config), DatabaseModule.with('join-or-own'), AuthModule],
    };
  }
}

try {
  const config = await loadConfig(undefined, { watch: false });
  const module = KeysCliModule.with(config);

  const app = await NestFactory.createApplicationContext(module, {
    logger: false,
    abortOnError: false,
  });
  try {
    process.stdout.write(await keysCommand(process.argv.slice(2), app.get(KeyService)));
  } finally {
    await app.close();
  }
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
