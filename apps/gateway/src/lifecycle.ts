import { Injectable } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { ConfigStore } from '@sluice/config';
import { DeferredWork, Logger } from '@sluice/observability';
import { LiveStreams } from './http/live-streams.js';

/**
 * Whether the process takes work, and the order in which it stops:
 *
 * 1. readiness says 503; wait for the balancer (SHUTDOWN_DELAY_MS)
 * 2. stop accepting connections, close the idle ones
 * 3. let streams run until the deadline, end the rest with an error frame
 * 4. await deferred work
 * 5. flush usage and telemetry, close pools (Nest's own shutdown hooks, run by the caller afterwards)
 */
@Injectable()
export class Lifecycle {
  #state: 'starting' | 'ready' | 'stopping' = 'starting';

  constructor(
    private readonly config: ConfigStore,
    private readonly streams: LiveStreams,
    private readonly deferred: DeferredWork,
    private readonly logger: Logger,
  ) {}

  get state(): 'starting' | 'ready' | 'stopping' {
    return this.#state;
  }

  ready(): void {
    this.#state = 'ready';
  }

  async stop(server: FastifyInstance): Promise<void> {
    this.#state = 'stopping';
    const { SHUTDOWN_DELAY_MS: delay, SHUTDOWN_TIMEOUT_MS: timeout } = this.config.env;
    const deadline = performance.now() + timeout;
    this.logger.info({ phase: 1, streams: this.streams.size }, 'shutting down: not ready');
    if (delay > 0) await sleep(delay);

    this.logger.info({ phase: 2 }, 'shutting down: closing the listener');
    const closed = new Promise<void>((resolve) => {
      server.server.close(() => {
        resolve();
      });
    });
    server.server.closeIdleConnections();

    this.logger.info({ phase: 3 }, 'shutting down: draining streams');
    await this.streams.drain(Math.max(0, deadline - performance.now() - 2000));
    server.server.closeIdleConnections();
    await Promise.race([closed, sleep(Math.max(500, deadline - performance.now() - 1000))]);
    server.server.closeAllConnections();

    this.logger.info({ phase: 4, pending: this.deferred.pending }, 'shutting down: deferred work');
    await this.deferred.drain(Math.max(500, deadline - performance.now()));
    this.deferred.close();
    this.logger.info({ phase: 5 }, 'shutting down: flushing and closing pools');
  }
}
