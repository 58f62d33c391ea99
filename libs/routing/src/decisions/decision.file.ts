import { appendFile, mkdir, readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { ConfigStore } from '@sluice/config';
import { DeferredWork, Logger } from '@sluice/observability';
import type { PromptFeatures } from './decision.js';

/** One line of the replay file: features and outcome, never the prompt's text. */
export interface LoggedDecision {
  /** Epoch ms at the end of the call. */
  readonly at: number;
  readonly requested: string;
  readonly chosen: string;
  readonly grade: string | undefined;
  readonly reason: string;
  readonly tier: string;
  readonly features: PromptFeatures;
  readonly input: number;
  readonly output: number;
  readonly ok: boolean;
}

const FLUSH_AT = 200;
const FLUSH_MS = 2000;
const MAX_BUFFER = 10_000;
const KEEP_DAYS = 14;
const NAME = /^(\d{4}-\d{2}-\d{2})\.\d+\.jsonl$/;

/** Where decisions are kept for `routing:replay`: a file a day and process, so that processes never share one. */
export const DECISIONS_FOLDER = 'routing';

/** Appends in batches, off the caller's path. A full disk costs the replay some lines and nothing else. */
@Injectable()
export class DecisionFile implements OnApplicationShutdown {
  #buffer: string[] = [];
  #day = '';
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(
    private readonly config: ConfigStore,
    private readonly deferred: DeferredWork,
    private readonly logger: Logger,
  ) {}

  append(decision: LoggedDecision): void {
    if (this.#buffer.length >= MAX_BUFFER) return;
    this.#buffer.push(`${JSON.stringify(decision)}\n`);
    this.#day = new Date(decision.at).toISOString().slice(0, 10);
    if (this.#buffer.length >= FLUSH_AT) {
      this.deferred.run('routing decisions', () => this.flush());
      return;
    }
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.deferred.run('routing decisions', () => this.flush());
    }, FLUSH_MS).unref();
  }

  /** Writes what is buffered. Never rejects. */
  flush(): Promise<void> {
    // One write at a time keeps lines whole and in order.
    this.#writing = this.#writing.then(() => this.#write());
    return this.#writing;
  }

  async onApplicationShutdown(): Promise<void> {
    clearTimeout(this.#timer);
    await this.flush();
  }

  async #write(): Promise<void> {
    if (this.#buffer.length === 0) return;
    const lines = this.#buffer.join('');
    this.#buffer = [];
    const folder = join(this.config.env.SLUICE_DATA_DIR, DECISIONS_FOLDER);
    try {
      await mkdir(folder, { recursive: true });
      await appendFile(join(folder, `${this.#day}.${process.pid}.jsonl`), lines);
      await removeOld(folder, this.#day);
    } catch (error) {
      this.logger.warn({ err: error }, 'routing decisions could not be written');
    }
  }
}

async function removeOld(folder: string, today: string): Promise<void> {
  const oldest = new Date(Date.parse(today) - KEEP_DAYS * 86_400_000).toISOString().slice(0, 10);
  for (const file of await readdir(folder)) {
    const day = NAME.exec(file)?.[1];
    if (day !== undefined && day < oldest) await unlink(join(folder, file));
  }
}
