import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { ConfigError, ConfigStore, loadConfig } from '@sluice/config';
import { Logger, NestLogger, PinoLogger, Tracer } from '@sluice/observability';
import { GatewayModule } from './gateway.module.js';
import { createHttpAdapter, registerHttpPlugins } from './http/http-server.js';
import { RequestObserver } from './http/request-observer.js';
import { Lifecycle } from './lifecycle.js';
import { VERSION } from './version.js';

/** Loads the configuration, builds the gateway and listens. Ends the process with 1 when it cannot. */
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
  const app = await createGateway(config);
  stopOnSignals(app);
  const { HOST: host, PORT: port } = config.env;
  await app.listen(port, host);
  app.get(Lifecycle).ready();
  announce(app, await app.getUrl());
}

/** The application, initialised but not listening. */
export async function createGateway(config: ConfigStore): Promise<NestFastifyApplication> {
  const adapter = createHttpAdapter(config);
  await registerHttpPlugins(adapter, config);
  const app = await NestFactory.create<NestFastifyApplication>(
    GatewayModule.with(config),
    adapter,
    { logger: ['error', 'fatal'], abortOnError: false, bodyParser: false },
  );
  app.useLogger(new NestLogger(app.get(Logger)));
  app.get(RequestObserver).register(adapter.getInstance());
  await app.init();
  return app;
}

function stopOnSignals(app: NestFastifyApplication): void {
  let stopping = false;
  const stop = (signal: NodeJS.Signals): void => {
    // A second signal means now.
    if (stopping) process.exit(1);
    stopping = true;
    void (async () => {
      app.get(Logger).info({ signal }, 'signal received');
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
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

function announce(app: NestFastifyApplication, url: string): void {
  const { env } = app.get(ConfigStore);
  const key =
    env.SLUICE_ADMIN_KEY === undefined
      ? `${env.SLUICE_DATA_DIR}/admin.key`
      : 'from SLUICE_ADMIN_KEY';
  process.stdout.write(
    [
      '',
      `  Sluice ${VERSION} is ready.`,
      '',
      `  API        ${url}/v1`,
      `  Docs       ${url}/docs`,
      `  Dashboard  ${url}/dashboard`,
      `  Admin key  ${key}`,
      '',
      '',
    ].join('\n'),
  );
}
