import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { monitorEventLoopDelay } from 'node:perf_hooks';

const WINDOW_MS = 10_000;

/** How late the event loop comes to its timers, over the last ten seconds. */
@Injectable()
export class EventLoopMonitor implements OnApplicationShutdown {
  readonly #histogram = monitorEventLoopDelay({ resolution: 20 });
  readonly #timer: NodeJS.Timeout;

  constructor() {
    this.#histogram.enable();
    this.#timer = setInterval(() => {
      this.#histogram.reset();
    }, WINDOW_MS).unref();
  }

  p99Ms(): number {
    const ns = this.#histogram.percentile(99);
    return Number.isFinite(ns) ? ns / 1e6 : 0;
  }

  onApplicationShutdown(): void {
    clearInterval(this.#timer);
    this.#histogram.disable();
  }
}
