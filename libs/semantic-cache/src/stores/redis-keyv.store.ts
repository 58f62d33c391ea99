import KeyvRedis from '@keyv/redis';
import type { RedisConnection } from '@sluice/redis';
import type { SecondTierStore } from '../exact/second-tier.js';
import type { StoreStats } from './sqlite-keyv.store.js';

const PREFIX = 'sluice:cache:';

/**
 * `@keyv/redis` with what operators need on top. The connection of the house says whether Redis answers:
 * while it does not, nothing is even tried.
 */
export class RedisKeyvStore extends KeyvRedis<string> implements SecondTierStore {
  constructor(
    url: string,
    private readonly house: RedisConnection,
  ) {
    super(
      {
        url,
        disableOfflineQueue: true,
        socket: {
          connectTimeout: 2000,
          reconnectStrategy: (retries: number) => Math.min(50 * 2 ** Math.min(retries, 5), 1000),
        },
      },
      { throwOnConnectError: true, throwOnErrors: true, connectionTimeout: 2000 },
    );
    this.on('error', () => undefined);
  }

  /** Keyv hands its own namespace to every store it is given; here the prefix is the only one. */
  override createKeyPrefix(key: string): string {
    return PREFIX + key;
  }

  async open(): Promise<void> {
    await this.getClient();
  }

  override async get<U = string>(key: string): Promise<U | undefined> {
    this.#refuseWhenDown();
    return super.get<U>(key);
  }

  override async set(key: string, value: string, ttl?: number): Promise<void> {
    this.#refuseWhenDown();
    await super.set(key, value, ttl === undefined ? undefined : Math.ceil(ttl));
  }

  /** One round trip for all. */
  override async setMany(
    entries: readonly { key: string; value: string; ttl?: number }[],
  ): Promise<void> {
    this.#refuseWhenDown();
    await super.setMany([...entries]);
  }

  override async delete(key: string): Promise<boolean> {
    this.#refuseWhenDown();
    return super.delete(key);
  }

  async clearMatching(pattern: string | undefined): Promise<number> {
    const expression = pattern === undefined ? undefined : new RegExp(pattern, 'u');
    let gone = 0;
    for await (const keys of this.#scan()) {
      const doomed = keys.filter((key) => expression?.test(key.slice(PREFIX.length)) ?? true);
      if (doomed.length === 0) continue;
      gone += await this.house.command<number>(['UNLINK', ...doomed]);
    }
    return gone;
  }

  /** Redis expires by itself. */
  sweep(): Promise<number> {
    return Promise.resolve(0);
  }

  async stats(): Promise<StoreStats> {
    let entries = 0;
    for await (const keys of this.#scan()) entries += keys.length;
    const info = await this.house.command<string>(['INFO', 'memory']).catch(() => '');
    const bytes = Number(/used_memory:(\d+)/.exec(info)?.[1] ?? 0);
    return { entries, bytes, evictions: 0 };
  }

  override async disconnect(): Promise<void> {
    await super.disconnect(true).catch(() => undefined);
  }

  async *#scan(): AsyncGenerator<string[]> {
    let cursor = '0';
    do {
      const [next, keys] = await this.house.command<[string, string[]]>([
        'SCAN',
        cursor,
        'MATCH',
        `${PREFIX}*`,
        'COUNT',
        '500',
      ]);
      cursor = next;
      yield keys;
    } while (cursor !== '0');
  }

  #refuseWhenDown(): void {
    if (!this.house.available) throw new Error('Redis does not answer');
  }
}
