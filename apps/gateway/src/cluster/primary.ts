import cluster, { type Worker } from 'node:cluster';
import { setTimeout as sleep } from 'node:timers/promises';
import { MachineHost } from '@sluice/cluster';
import { secretValues, type ConfigStore } from '@sluice/config';
import { EmbeddedPostgres } from '@sluice/database';
import { SystemClock } from '@sluice/kernel';
import { Metrics, PinoLogger, type Logger, type MetricSnapshot } from '@sluice/observability';
import { rateServices } from '../../../../libs/rate-limit/src/host.js';
import { cacheHost } from '../../../../libs/semantic-cache/src/host.js';
import { spendServices } from '../../../../libs/token-limits/src/host.js';
import { announce } from '../announce.js';
import { METRICS_QUESTION, METRICS_SERVICE, OwnerMetrics } from './owner.metrics.js';
import { askToStop, portToWorker } from './process.ports.js';
import { Supervisor, WorkerFailed, type WorkerProcess } from './supervisor.js';
import { WORKER_ARGUMENT } from './worker.role.js';

/** A worker that serves answers within a turn of its event loop; a hung one must not hold up the others' metrics. */
const ASK_TIMEOUT_MS = 2000;
/** What a worker may take beyond the time for its streams: deferred work, the last shipment of usage, pools. */
const STOP_GRACE_MS = 15_000;
/** Connections of the embedded server for the pools of one worker beyond DATABASE_POOL_MAX, and for everybody else. */
const CONNECTIONS = { perWorker: 6, others: 20 };

/**
 * The process that owns what the workers of this machine share: listening socket, embedded database, limits, the cache's
 * files, metrics. It serves no call itself.
 */
export async function startPrimary(config: ConfigStore, workers: number): Promise<void> {
  const { env } = config;
  const secrets = secretValues(env, config.current);
  const logger = new PinoLogger({ level: env.LOG_LEVEL, secrets });
  const database =
    env.DATABASE_URL === undefined ? await embedded(config, workers, logger) : undefined;
  const owner = new Owner(config, workers, logger);
  const exit = async (code: number): Promise<never> => {
    await owner.close();
    await database?.stop();
    await logger.flush();
    process.exit(code);
  };
  stopOnSignals(async () => {
    const { SHUTDOWN_DELAY_MS: delay, SHUTDOWN_TIMEOUT_MS: timeout } = env;
    await owner.supervisor.stop(delay + timeout + STOP_GRACE_MS);
    await exit(0);
  }, owner);
  try {
    await owner.supervisor.start();
  } catch (error) {
    if (!(error instanceof WorkerFailed)) throw error;
    await exit(typeof error.how === 'number' && error.how !== 0 ? error.how : 1);
  }
  announce(config, await owner.url, workers);
}

function embedded(
  { env }: ConfigStore,
  workers: number,
  logger: Logger,
): Promise<EmbeddedPostgres> {
  const maxConnections =
    CONNECTIONS.others + workers * (env.DATABASE_POOL_MAX + CONNECTIONS.perWorker);
  return EmbeddedPostgres.start({ dataDir: env.SLUICE_DATA_DIR, logger, maxConnections });
}

/** The services, and the workers that use them. */
class Owner {
  readonly supervisor: Supervisor;
  /** Where the workers listen, once the first does. */
  readonly url: Promise<string>;
  readonly #host: MachineHost;
  readonly #metrics: OwnerMetrics;
  readonly #cache: ReturnType<typeof cacheHost>;
  readonly #listening = Promise.withResolvers<string>();

  constructor(
    private readonly config: ConfigStore,
    workers: number,
    logger: Logger,
  ) {
    this.url = this.#listening.promise;
    const clock = new SystemClock();
    const own = new Metrics();
    own.collectProcess();
    this.#metrics = new OwnerMetrics(own);
    this.#cache = cacheHost(config, clock, logger);
    this.#host = new MachineHost({
      ...rateServices(clock),
      ...spendServices(clock),
      ...this.#cache.services,
      [METRICS_SERVICE]: this.#metrics.service,
    });
    this.supervisor = new Supervisor({
      workers,
      fork: (slot) => this.#fork(slot),
      logger,
      now: () => clock.monotonic(),
      wait: (ms) => sleep(ms),
    });
    // Typed arrays must arrive as such.
    cluster.setupPrimary({ serialization: 'advanced' });
  }

  async close(): Promise<void> {
    this.#metrics.close();
    await this.#cache.close();
  }

  #fork(slot: number): WorkerProcess {
    cluster.setupPrimary({ args: [WORKER_ARGUMENT, String(slot)] });
    const worker = cluster.fork();
    const port = portToWorker(worker);
    const detach = this.#host.attach(port);
    const ended = new Promise<number | string>((resolve) => {
      worker.once('exit', (code: number | null, signal: string | null) =>
        resolve(signal ?? code ?? 0),
      );
    });
    const source = {
      // What came over the line was made by the worker's registry.
      snapshot: () =>
        this.#host.ask(port, METRICS_QUESTION, ASK_TIMEOUT_MS) as Promise<
          MetricSnapshot | undefined
        >,
    };
    const ready = new Promise<void>((resolve) => {
      worker.once('listening', (address: { port: number }) => {
        const { HOST: host } = this.config.env;
        this.#listening.resolve(
          `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`,
        );
        this.#metrics.add(source);
        resolve();
      });
    });
    void ended.then(() => {
      detach();
      return this.#metrics.remove(source);
    });
    return handle(worker, ready, ended);
  }
}

function handle(
  worker: Worker,
  ready: Promise<void>,
  ended: Promise<number | string>,
): WorkerProcess {
  return {
    pid: worker.process.pid ?? 0,
    ready,
    ended,
    stop: () => askToStop(worker),
    kill: () => void worker.process.kill('SIGKILL'),
  };
}

function stopOnSignals(stop: () => Promise<void>, owner: Owner): void {
  let stopping = false;
  const onSignal = (): void => {
    // A second signal means now.
    if (stopping) {
      owner.supervisor.kill();
      process.exit(1);
    }
    stopping = true;
    stop().catch((error: unknown) => {
      process.stderr.write(`shutdown failed: ${String(error)}\n`);
      process.exit(1);
    });
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}
