import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { MachineLink } from '@sluice/cluster';
import type { ConfigStore } from '@sluice/config';
import { Logger, NestLogger, PinoLogger, Tracer } from '@sluice/observability';
import { announce } from './announce.js';
import { machineLink, onStop } from './cluster/worker.role.js';
import { GatewayModule } from './gateway.module.js';
import { createHttpAdapter, registerHttpPlugins } from './http/http-server.js';
import { RequestObserver } from './http/request-observer.js';
import { Lifecycle } from './lifecycle.js';

/** Builds the gateway and listens. */
export async function start(config: ConfigStore): Promise<void> {
  const link = machineLink();
  const app = await createGateway(config, link);
  onStop((why) => stop(app, why));
  const { HOST: host, PORT: port } = config.env;
  await listen(app, port, host);
  app.get(Lifecycle).ready();
  // Of several workers none knows when all is ready: their owner does.
  if (!link.enabled) announce(config, await app.getUrl());
}

/** Leaves nothing behind when it fails: the embedded server stops cleanly, and what was opened is closed. */
async function listen(app: NestFastifyApplication, port: number, host: string): Promise<void> {
  try {
    await app.listen(port, host);
  } catch (error) {
    await app.close();
    throw error;
  }
}

/** The application, initialised but not listening. */
async function createGateway(
  config: ConfigStore,
  link: MachineLink,
): Promise<NestFastifyApplication> {
  const adapter = createHttpAdapter(config);
  await registerHttpPlugins(adapter, config);
  const app = await NestFactory.create<NestFastifyApplication>(
    GatewayModule.with(config, link),
    adapter,
    // Until the log is there, errors are thrown: whoever called says why the start failed.
    { logger: false, abortOnError: false, bodyParser: false },
  );
  app.useLogger(new NestLogger(app.get(Logger)));
  app.get(RequestObserver).register(adapter.getInstance());
  await app.init();
  return app;
}

function stop(app: NestFastifyApplication, why: string): void {
  void (async () => {
    app.get(Logger).info({ signal: why }, 'signal received');
    await app.get(Lifecycle).stop(app.getHttpAdapter().getInstance());
    const [tracer, log] = [app.get(Tracer), app.get(PinoLogger)];
    await app.close();
    await tracer.shutdown();
    await log.flush();
    process.exit(0);
  })().catch((error: unknown) => {
    process.stderr.write(`shutdown failed: ${String(error)}\n`);
    process.exit(1);
  });
}
