import { hash } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import type { CountJob, CountResult } from './token-count.worker.js';
import { estimateTokens } from './token.estimate.js';

interface Waiting {
  readonly text: string;
  readonly resolve: (tokens: number) => void;
}

/** Counts are kept for texts up to this length; hashing longer ones would itself take too long here. */
const LONGEST_CACHED = 256 * 1024;
const CACHED_COUNTS = 50_000;
/** The start itself needs the processor more. */
const WARM_AFTER_MS = 250;

/**
 * Exact token counts (o200k). The table and the work live in one worker thread: loading takes a quarter of a second
 * and long texts take milliseconds, neither of which the event loop has to give. Counts are kept by hash,
 * never with their text. When the thread dies, its open counts are estimated and a new thread starts with the next.
 */
@Injectable()
export class TokenCounter implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #known = new LRUCache<string, number>({ max: CACHED_COUNTS });
  readonly #asked = new Map<string, Promise<number>>();
  readonly #waiting = new Map<number, Waiting>();
  #batch: CountJob[] = [];
  #worker: Worker | undefined;
  #nextId = 0;
  #warming: NodeJS.Timeout | undefined;
  #closed = false;

  /** The exact count, or an estimate should the thread die. Never rejects. */
  count(text: string): Promise<number> {
    if (text === '') return Promise.resolve(0);
    if (text.length > LONGEST_CACHED) return this.#ask(text);
    const key = keyOf(text);
    const known = this.#known.get(key);
    if (known !== undefined) return Promise.resolve(known);
    let asked = this.#asked.get(key);
    if (asked === undefined) {
      asked = this.#ask(text).then((tokens) => {
        this.#known.set(key, tokens);
        this.#asked.delete(key);
        return tokens;
      });
      this.#asked.set(key, asked);
    }
    return asked;
  }

  /** At once: the exact count where it was made before, else an estimate. */
  countNow(text: string): { readonly tokens: number; readonly exact: boolean } {
    if (text === '') return { tokens: 0, exact: true };
    const known = text.length > LONGEST_CACHED ? undefined : this.#known.get(keyOf(text));
    return known === undefined
      ? { tokens: estimateTokens(text), exact: false }
      : { tokens: known, exact: true };
  }

  /** Starts the thread before the first call needs it. */
  async warm(): Promise<void> {
    await this.count('warm');
  }

  onApplicationBootstrap(): void {
    this.#warming = setTimeout(() => void this.warm(), WARM_AFTER_MS);
    this.#warming.unref();
  }

  async onModuleDestroy(): Promise<void> {
    await this.close();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#warming);
    const worker = this.#worker;
    this.#lost(worker);
    await worker?.terminate();
  }

  #ask(text: string): Promise<number> {
    if (this.#closed) return Promise.resolve(estimateTokens(text));
    return new Promise((resolve) => {
      const id = this.#nextId++;
      this.#waiting.set(id, { text, resolve });
      this.#batch.push({ id, text });
      // What one turn of the event loop asks goes over in one message.
      if (this.#batch.length === 1) queueMicrotask(this.#send);
    });
  }

  readonly #send = (): void => {
    const jobs = this.#batch;
    this.#batch = [];
    if (this.#closed || jobs.length === 0) return;
    this.#worker ??= this.#start();
    this.#worker.ref();
    this.#worker.postMessage(jobs);
  };

  #start(): Worker {
    // The worker's file lies beside this one, as `.js` when built and as `.ts` under test.
    const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
    const worker = new Worker(new URL(`./token-count.worker${extension}`, import.meta.url));
    worker.on('message', (results: readonly CountResult[]) => {
      for (const { id, tokens } of results) {
        this.#waiting.get(id)?.resolve(tokens);
        this.#waiting.delete(id);
      }
      // An idle thread must not keep the process alive.
      if (this.#waiting.size === 0) worker.unref();
    });
    worker.on('error', () => {
      this.#lost(worker);
    });
    worker.on('exit', () => {
      this.#lost(worker);
    });
    return worker;
  }

  #lost(worker: Worker | undefined): void {
    if (worker === undefined || this.#worker !== worker) {
      if (!this.#closed) return;
    }
    this.#worker = undefined;
    for (const { text, resolve } of this.#waiting.values()) resolve(estimateTokens(text));
    this.#waiting.clear();
  }
}

function keyOf(text: string): string {
  return text.length <= 40 ? text : hash('sha256', text, 'base64url');
}
