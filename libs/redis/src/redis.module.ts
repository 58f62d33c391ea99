import { Global, Module, type OnApplicationShutdown } from '@nestjs/common';
import { ConfigStore } from '@sluice/config';
import { Logger } from '@sluice/observability';
import { LiveRedisConnection } from './live-redis.connection.js';
import { DisabledRedisConnection, RedisConnection } from './redis.connection.js';

/** How long the start waits for Redis before it goes on without. */
const START_WAIT_MS = 1000;

async function connect(config: ConfigStore, logger: Logger): Promise<RedisConnection> {
  const url = config.env.REDIS_URL;
  if (url === undefined) return new DisabledRedisConnection();
  const connection = new LiveRedisConnection({ url }, logger);
  if (!(await connection.ready(START_WAIT_MS))) {
    logger.warn({}, 'Redis does not answer at start; going on without it');
  }
  return connection;
}

/** Binds {@link RedisConnection} everywhere, and closes it in Nest's last hook. */
@Global()
@Module({
  providers: [{ provide: RedisConnection, useFactory: connect, inject: [ConfigStore, Logger] }],
  exports: [RedisConnection],
})
export class RedisModule implements OnApplicationShutdown {
  constructor(private readonly redis: RedisConnection) {}

  onApplicationShutdown(): Promise<void> {
    return this.redis.close();
  }
}
