import { Injectable } from '@nestjs/common';
import { timingSafeEqual } from 'node:crypto';
import { Clock, GatewayError } from '@sluice/kernel';
import type { KeyRecord } from '../persistence/key.record.js';
import { KeyRepository } from '../persistence/key.repository.js';

const MAX_WAITING = 2_000;
const MAX_BATCH = 500;

export interface FoundKey {
  /** Undefined when no such key was ever made. */
  readonly record: KeyRecord | undefined;
  /** Monotonic ms when the database was asked: what happened later is not in the answer. */
  readonly askedAt: number;
}

interface Waiting {
  readonly hash: Buffer;
  readonly resolve: (found: FoundKey) => void;
  readonly reject: (error: unknown) => void;
}

/** Asks the database for keys; those wanted in the same turn of the event loop go in one statement. */
@Injectable()
export class KeyLookup {
  #waiting: Waiting[] = [];
  #asking = 0;

  constructor(
    private readonly keys: KeyRepository,
    private readonly clock: Clock,
  ) {}

  /** @throws GatewayError overloaded when too many keys are being looked up; the driver's error otherwise */
  find(hash: Buffer): Promise<FoundKey> {
    if (this.#waiting.length + this.#asking >= MAX_WAITING) {
      return Promise.reject(
        new GatewayError('overloaded', 'Too many keys are being checked. Try again in a moment.', {
          retryAfterMs: 1_000,
        }),
      );
    }
    return new Promise((resolve, reject) => {
      if (this.#waiting.push({ hash, resolve, reject }) === 1) setImmediate(() => this.#flush());
    });
  }

  #flush(): void {
    const all = this.#waiting;
    this.#waiting = [];
    for (let from = 0; from < all.length; from += MAX_BATCH) {
      const batch = all.slice(from, from + MAX_BATCH);
      this.#asking += batch.length;
      void this.#ask(batch).finally(() => {
        this.#asking -= batch.length;
      });
    }
  }

  async #ask(batch: readonly Waiting[]): Promise<void> {
    const askedAt = this.clock.monotonic();
    try {
      const records = await this.keys.findByHashes(batch.map(({ hash }) => hash));
      for (const { hash, resolve } of batch) {
        const record = records.find((found) => timingSafeEqual(found.hash, hash));
        resolve({ record, askedAt });
      }
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }
}
