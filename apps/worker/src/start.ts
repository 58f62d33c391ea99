import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { ConfigError, loadConfig, type ConfigStore } from '@sluice/config';
import { DeferredWork, Logger, NestLogger } from '@sluice/observability';
import { WorkerModule } from './worker.module.js';

const DRAIN_MS = 10_000;

/** Background work as a process of its own. Ends with 1 when the configuration is wrong. */
export async function start(): Promise<void> {
  let config: ConfigStore;
  try {
    config = await loadConfig();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
    return;
  }
  const app = await NestFactory.create<NestFastifyApplication>(
    WorkerModule.with(config),
    new FastifyAdapter(),
    { logger: ['error', 'fatal'], abortOnError: false },
  );
  app.useLogger(new NestLogger(app.get(Logger)));
  const stop = (): void => {
    void app
      .get(DeferredWork)
      .drain(DRAIN_MS)
      .then(() => app.close())
      .finally(() => process.exit(0));
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  await app.listen(config.env.WORKER_PORT, config.env.HOST);
  process.stdout.write(`Sluice worker is ready: ${await app.getUrl()}/health\n`);
}
