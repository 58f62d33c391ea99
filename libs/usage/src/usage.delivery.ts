import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Injectable, type BeforeApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { ConfigStore } from '@sluice/config';
import { Database } from '@sluice/database';
import { Logger } from '@sluice/observability';
import { decodeRow } from './persistence/usage.columns.js';
import { UsageShipper } from './shipping/usage.shipper.js';
import { UsageSpool } from './spool/usage.spool.js';
import { UsageInterceptor } from './usage.interceptor.js';
import { UsageMetrics } from './usage.metrics.js';

const ADOPT_EVERY_MS = 30_000;
const LAST_SHIPMENT_MS = 5_000;
const REJECTED_FILE = 'usage-rejected.jsonl';

/** Opens the spool with the process, keeps it flowing into the database, and empties it at the end. */
@Injectable()
export class UsageDelivery implements OnModuleInit, BeforeApplicationShutdown {
  readonly #shipper: UsageShipper;
  #adoption: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;

  constructor(
    private readonly spool: UsageSpool,
    private readonly interceptor: UsageInterceptor,
    private readonly logger: Logger,
    database: Database,
    metrics: UsageMetrics,
    config: ConfigStore,
  ) {
    const rejected = join(config.env.SLUICE_DATA_DIR, REJECTED_FILE);
    metrics.watchSpool(() => spool.bytes);
    this.#shipper = new UsageShipper({
      spool,
      db: database.writer,
      onShipped: (rows) => metrics.shipped(rows),
      onRecovered: (rows) => {
        metrics.recovered(rows);
        if (rows > 0) logger.warn({ calls: rows }, 'calls of an ended process billed by estimate');
      },
      onFault: (error) => logger.warn({ err: error }, 'usage events wait in the spool'),
      onRejected: async (payload, error) => {
        const [requestId] = decodeRow(payload);
        logger.error({ err: error, requestId, file: rejected }, 'usage event set aside');
        await appendFile(rejected, `${payload}\n`, { flush: true });
      },
    });
  }

  async onModuleInit(): Promise<void> {
    await this.spool.open();
    this.#shipper.start();
    this.#adoption = setInterval(() => {
      this.spool.adopt().catch((error: unknown) => {
        this.logger.warn({ err: error }, 'spools of ended processes could not be taken over');
      });
    }, ADOPT_EVERY_MS).unref();
  }

  /** Before the pools close. What cannot be shipped now stays on the disk for the next process. */
  beforeApplicationShutdown(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    clearInterval(this.#adoption);
    this.interceptor.flush();
    const stalled = AbortSignal.timeout(LAST_SHIPMENT_MS);
    const timeout = new Promise<void>((resolve) => {
      stalled.addEventListener('abort', () => resolve());
    });
    await Promise.race([this.spool.flush(), timeout]);
    const empty = await this.#shipper.close(LAST_SHIPMENT_MS);
    if (!empty)
      this.logger.warn({ bytes: this.spool.bytes }, 'usage events left for the next start');
    await this.spool.close();
  }
}
