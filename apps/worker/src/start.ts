import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { loadConfig, startFailure } from '@sluice/config';
import { DeferredWork, Logger, NestLogger } from '@sluice/observability';
import { WorkerModule } from './worker.module.js';

const DRAIN_MS = 10_000;

/** Background work as a process of its own. Ends with 1 and the reason when it cannot start. */
export async function start(): Promise<void> {
  try {
    await run();
  } catch (error) {
    process.stderr.write(`${startFailure(error)}\n`);
    process.exit(1);
  }
}

async function run(): Promise<void> {
  const config = await loadConfig();
  const app = await NestFactory.create<NestFastifyApplication>(
    WorkerModule.with(config),
    new FastifyAdapter(),
    { logger: false, abortOnError: false },
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
