import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { MachineLink } from '@sluice/cluster';
import { uuidv7 } from '@sluice/kernel';
import { Logger } from '@sluice/observability';
import { RedisConnection } from '@sluice/redis';
import { CacheStorage } from '../cache-storage.js';
import type { ClearFilter } from '../exact/key-pattern.js';

const CHANNEL = 'sluice:cache:clear';

interface Told extends ClearFilter {
  readonly from: string;
  /** One entry instead of a filter. */
  readonly key?: string;
}

/** Tells the other replicas, or workers of this machine, what one of them forgot; their memory would go on serving it. */
@Injectable()
export class ClearChannel implements OnModuleInit, OnModuleDestroy {
  readonly #me = uuidv7();
  #stop: (() => void) | undefined;

  constructor(
    private readonly redis: RedisConnection,
    private readonly storage: CacheStorage,
    private readonly logger: Logger,
    private readonly link: MachineLink,
  ) {}

  onModuleInit(): void {
    if (!this.redis.enabled) {
      this.link.subscribe(CHANNEL, (text) => this.#hear(text));
      return;
    }
    this.#stop = this.redis.subscribe(CHANNEL, (text) => this.#hear(text));
  }

  onModuleDestroy(): void {
    this.#stop?.();
  }

  async tell(what: ClearFilter & { readonly key?: string }): Promise<void> {
    const told: Told = { ...what, from: this.#me };
    if (!this.redis.enabled) {
      this.link.publish(CHANNEL, JSON.stringify(told));
      return;
    }
    await this.redis.command(['PUBLISH', CHANNEL, JSON.stringify(told)]).catch((error: unknown) => {
      this.logger.warn({ err: error }, 'other replicas could not be told to clear their cache');
    });
  }

  #hear(text: string): void {
    try {
      const told = JSON.parse(text) as Told;
      if (told.from === this.#me) return;
      // In all tiers: what was on its way here when another replica cleared must not come after.
      const { key } = told;
      const gone = key === undefined ? this.storage.clear(told) : this.storage.evict(key);
      gone.catch((error: unknown) => {
        this.logger.warn({ err: error }, 'what another replica cleared could not be cleared here');
      });
    } catch (error) {
      this.logger.warn({ err: error }, 'unreadable message on the clearing channel');
    }
  }
}
