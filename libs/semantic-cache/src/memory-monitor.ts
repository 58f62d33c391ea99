import { monitorEventLoopDelay } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { ConfigStore } from '@sluice/config';
import { Logger } from '@sluice/observability';
import { CacheMetrics } from './cache-metrics.js';
import { CacheStorage } from './cache-storage.js';

const EVERY_MS = 10_000;
const HIGH = 0.8;
const LOW = 0.6;
/** Never below: an empty cache helps nobody, and the pressure comes from elsewhere then. */
const SMALLEST = 1 / 16;

/** Watches heap and event loop, so that a small container survives: when memory is short the first tier halves. */
@Injectable()
export class MemoryMonitor implements OnApplicationBootstrap, OnModuleDestroy {
  #timer: NodeJS.Timeout | undefined;
  #delay: ReturnType<typeof monitorEventLoopDelay> | undefined;
  #share = 1;

  constructor(
    private readonly config: ConfigStore,
    private readonly storage: CacheStorage,
    private readonly metrics: CacheMetrics,
    private readonly logger: Logger,
  ) {
    // After the storage, which takes the configured size: short memory is short under a new configuration, too.
    config.onChange(() => {
      if (this.#share < 1) this.#resize();
    });
  }

  onApplicationBootstrap(): void {
    this.#delay = monitorEventLoopDelay({ resolution: 20 });
    this.#delay.enable();
    this.#timer = setInterval(() => {
      const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics();
      this.check(used / limit);
    }, EVERY_MS);
    this.#timer.unref();
  }

  onModuleDestroy(): void {
    clearInterval(this.#timer);
    this.#delay?.disable();
  }

  /** @param heap used share of the heap limit */
  check(heap: number): void {
    const delayMs = (this.#delay?.percentile(99) ?? 0) / 1e6;
    this.#delay?.reset();
    if (heap > HIGH && this.#share > SMALLEST) {
      this.#share /= 2;
      this.metrics.pressure();
      this.logger.warn(
        { heap, eventLoopDelayMs: delayMs, share: this.#share },
        'memory is short: the first cache tier was halved',
      );
    } else if (heap < LOW && this.#share < 1) {
      this.#share *= 2;
    } else {
      return;
    }
    this.#resize();
  }

  #resize(): void {
    const { maxEntries, maxBytes, ttl } = this.config.current.sluice.cache.l1;
    this.storage.memory.resize({
      maxEntries: Math.max(1, Math.floor(maxEntries * this.#share)),
      maxBytes: Math.max(1, Math.floor(maxBytes * this.#share)),
      ttl,
    });
  }
}
