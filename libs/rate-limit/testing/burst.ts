// A process of its own that sends a burst of requests of one subject: argv Redis URL, how many. Prints how many passed.
import { SilentLogger } from '@sluice/observability';
import { LiveRedisConnection } from '@sluice/redis';
import { RedisRateStore } from '../src/stores/redis-rate.store.js';
import { windows } from './windows.js';

const [url = '', count = '0'] = process.argv.slice(2);
const redis = new LiveRedisConnection({ url, commandTimeoutMs: 10_000 }, new SilentLogger());
await redis.ready(5000);
const store = new RedisRateStore(redis);
const verdicts = await Promise.all(
  Array.from({ length: Number(count) }, () => store.decide('t/burst', windows(100, 100))),
);
process.stdout.write(String(verdicts.filter((verdict) => verdict.allowed).length));
await redis.close();
