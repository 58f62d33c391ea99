import { randomBytes } from 'node:crypto';
import { startTestPostgres, type TestPostgres } from '@sluice/database';
import { startTestRedis, type TestRedis } from '@sluice/redis';
import { startGateway, type GatewayOptions, type GatewayProcess } from './gateway-process.js';

/** Gateway processes that share one Postgres and one Redis of their own. */
export interface GatewayFleet {
  /** Those that were started and not replaced; a killed one stays in its place until {@link restart}. */
  readonly gateways: readonly GatewayProcess[];
  readonly redis: TestRedis;
  readonly databaseUrl: string;
  /** Starts a gateway again in the place and with the data of one that has ended. */
  restart(index: number): Promise<GatewayProcess>;
  stop(): Promise<void>;
}

export interface FleetOptions extends Pick<GatewayOptions, 'config' | 'policies' | 'env'> {
  readonly size?: number;
  /** Without: each gateway counts in its own process, and all lease from the one Postgres. */
  readonly redis?: boolean;
}

/** Starts the first gateway alone, which migrates the database, then the others side by side. */
export async function startFleet(options: FleetOptions = {}): Promise<GatewayFleet> {
  const postgres = await startTestPostgres();
  const redis = await startTestRedis();
  const { url: databaseUrl } = await postgres.createDatabase();
  const env = {
    DATABASE_URL: databaseUrl,
    SLUICE_KEY_PEPPER: randomBytes(32).toString('hex'),
    WORKER_INLINE: 'false',
    LOG_LEVEL: 'warn',
    ...((options.redis ?? true) ? { REDIS_URL: redis.url } : {}),
    ...options.env,
  };
  const start = (dir?: string) =>
    startGateway({ ...options, env, ...(dir === undefined ? {} : { dir }) });
  const gateways: GatewayProcess[] = [];
  const stop = () => stopAll(gateways, redis, postgres);
  try {
    gateways.push(await start());
    const rest = Array.from({ length: (options.size ?? 3) - 1 }, () => start());
    gateways.push(...(await Promise.all(rest)));
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    gateways,
    redis,
    databaseUrl,
    restart: async (index) => {
      const fresh = await start(gateways[index]?.dir);
      gateways[index] = fresh;
      return fresh;
    },
    stop,
  };
}

async function stopAll(
  gateways: readonly GatewayProcess[],
  redis: TestRedis,
  postgres: TestPostgres,
): Promise<void> {
  await Promise.all(gateways.map((gateway) => gateway.stop()));
  await Promise.all([redis.stop(), postgres.stop()]);
}
