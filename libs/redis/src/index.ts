export {
  DisabledRedisConnection,
  RedisConnection,
  RedisUnavailable,
  type RedisArgument,
} from './redis.connection.js';
export { LiveRedisConnection, type LiveRedisOptions } from './live-redis.connection.js';
export { LuaScript } from './lua-script.js';
export { RedisModule } from './redis.module.js';
export { startTestRedis, type TestRedis } from '../testing/test-redis.js';
