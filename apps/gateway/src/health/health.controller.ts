import { Controller, Get } from '@nestjs/common';
import {
  HealthCheckService,
  HealthIndicatorService,
  type HealthCheckResult,
  type HealthIndicatorResult,
} from '@nestjs/terminus';
import { statfs } from 'node:fs/promises';
import { Public } from '@sluice/auth';
import { ConfigStore } from '@sluice/config';
import { Database } from '@sluice/database';
import { EventLoopMonitor } from './event-loop.monitor.js';
import { Lifecycle } from '../lifecycle.js';

const MIN_FREE_BYTES = 100 * 1024 ** 2;
const MAX_LOOP_DELAY_MS = 1000;

/** Never rate-limited, never needs a key. `/health` tells all, `live` that the process runs, `ready` that it takes work. */
@Controller('health')
@Public()
export class HealthController {
  constructor(
    private readonly checks: HealthCheckService,
    private readonly indicators: HealthIndicatorService,
    private readonly config: ConfigStore,
    private readonly database: Database,
    private readonly loop: EventLoopMonitor,
    private readonly lifecycle: Lifecycle,
  ) {}

  @Get()
  all(): Promise<HealthCheckResult> {
    return this.checks.check([
      () => this.#database(),
      () => this.#disk(),
      () => this.#eventLoop(),
      () => this.#config(),
    ]);
  }

  @Get('live')
  live(): { status: 'ok' } {
    return { status: 'ok' };
  }

  @Get('ready')
  ready(): Promise<HealthCheckResult> {
    return this.checks.check([() => this.#lifecycle()]);
  }

  #lifecycle(): HealthIndicatorResult {
    const check = this.indicators.check('gateway');
    const { state } = this.lifecycle;
    return state === 'ready' ? check.up({ state }) : check.down({ state });
  }

  async #database(): Promise<HealthIndicatorResult> {
    const check = this.indicators.check('database');
    const { ok, ...facts } = await this.database.health();
    const shown = { ...facts, latencyMs: Math.round(facts.latencyMs * 100) / 100 };
    return ok ? check.up(shown) : check.down(shown);
  }

  async #disk(): Promise<HealthIndicatorResult> {
    const check = this.indicators.check('disk');
    const { bavail, bsize } = await statfs(this.config.env.SLUICE_DATA_DIR);
    const facts = { free_bytes: bavail * bsize };
    return facts.free_bytes > MIN_FREE_BYTES ? check.up(facts) : check.down(facts);
  }

  #eventLoop(): HealthIndicatorResult {
    const check = this.indicators.check('event_loop');
    const facts = { p99_ms: Math.round(this.loop.p99Ms() * 100) / 100 };
    return facts.p99_ms < MAX_LOOP_DELAY_MS ? check.up(facts) : check.down(facts);
  }

  /** A refused reload is no reason to take the gateway out: the old version serves. It is told, not failed. */
  #config(): HealthIndicatorResult {
    const { current, rejected } = this.config;
    return this.indicators
      .check('config')
      .up({ version: current.version, loaded_at: current.loadedAt.toISOString(), rejected });
  }
}
