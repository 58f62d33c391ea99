import { hash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import {
  Injectable,
  Optional,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
  type OnModuleInit,
} from '@nestjs/common';
import { bounded } from '@sluice/kernel';
import { LRUCache } from 'lru-cache';
import { BytePairCounter, unpackTable, type BytePairTable } from './byte-pair.js';
import type { CountJob, ThreadMessage, ThreadStart } from './token-count.worker.js';
import { estimateTokens } from './token.estimate.js';

interface Waiting {
  readonly text: string;
  readonly resolve: (tokens: number) => void;
}

/** Counted at once: half a millisecond at the most. Longer texts, and words that merge slowly, go to the thread. */
const LONGEST_INLINE = 8 * 1024;
/** Counts are kept for texts up to this length; hashing longer ones would itself take too long here. */
const LONGEST_CACHED = 256 * 1024;
const CACHED_COUNTS = 10_000;
/** The start itself needs the processor more. */
const WARM_AFTER_MS = 250;
/** Made by the build, beside this file. */
const TABLE_FILE = new URL('./o200k.table', import.meta.url);
const IDLE_MS = 30_000;
/** Compiles the split pattern, which takes some milliseconds once. */
const WARM_TEXT = 'Warm, words and 123 numbers: naïve 文字?\n';

/**
 * Exact token counts (o200k). The table comes from a file that the build makes; where there is none, it is made in a
 * worker thread, as that takes half a second and 150 MB. Every thread shares it: short texts are counted on the spot, which costs less than a message to a thread, and long ones in the thread.
 * Counts of long texts are kept by hash, never with their text. When the thread dies, its open counts are estimated
 * and a new thread starts with the next; when it has nothing to do it ends, and its memory with it.
 */
@Injectable()
export class TokenCounter implements OnModuleInit, OnApplicationBootstrap, OnModuleDestroy {
  readonly #known = new LRUCache<string, number>(bounded(CACHED_COUNTS));
  readonly #asked = new Map<string, Promise<number>>();
  readonly #waiting = new Map<number, Waiting>();
  #batch: CountJob[] = [];
  #table: BytePairTable | undefined;
  #inline: BytePairCounter | undefined;
  #worker: Worker | undefined;
  #nextId = 0;
  #warming: NodeJS.Timeout | undefined;
  #idle: NodeJS.Timeout | undefined;
  #closed = false;

  /**
   * @param idleMs How long the thread is kept without work.
   * @param tableFile Where the build has put the table.
   */
  constructor(
    @Optional() private readonly idleMs = IDLE_MS,
    @Optional() private readonly tableFile = TABLE_FILE,
  ) {}

  async onModuleInit(): Promise<void> {
    const packed = await readShared(this.tableFile);
    this.#table = packed === undefined ? undefined : unpackTable(packed);
    if (this.#table !== undefined) this.#inline = new BytePairCounter(this.#table);
  }

  /** Whether the thread is running now. */
  get hasThread(): boolean {
    return this.#worker !== undefined;
  }

  /**
   * The exact count of all texts together, or an estimate should the thread die. Never rejects; a promise only when the
   * thread must be asked.
   */
  countAll(texts: readonly string[]): number | Promise<number> {
    let length = 0;
    for (const text of texts) length += text.length;
    let total = 0;
    let rest: string[] | undefined;
    for (const text of texts) {
      const tokens = length > LONGEST_INLINE ? undefined : this.#countInline(text);
      if (tokens === undefined) (rest ??= []).push(text);
      else total += tokens;
    }
    if (rest === undefined) return total;
    return Promise.all(rest.map((text) => this.#countInThread(text))).then((counts) =>
      counts.reduce((sum, count) => sum + count, total),
    );
  }

  /** The exact count, or an estimate should the thread die. Never rejects. */
  async count(text: string): Promise<number> {
    return this.countAll([text]);
  }

  /** At once: the exact count of a short text or of one that was counted before, else an estimate. */
  countNow(text: string): { readonly tokens: number; readonly exact: boolean } {
    const known = this.#countInline(text) ?? this.#remembered(text);
    return known === undefined
      ? { tokens: estimateTokens(text), exact: false }
      : { tokens: known, exact: true };
  }

  #countInline(text: string): number | undefined {
    if (text === '') return 0;
    if (this.#closed || text.length > LONGEST_INLINE) return undefined;
    return this.#inline?.countQuickly(text);
  }

  #remembered(text: string): number | undefined {
    return text.length > LONGEST_CACHED ? undefined : this.#known.get(keyOf(text));
  }

  #countInThread(text: string): Promise<number> {
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

  /** Before the first call needs it: compiles the pattern, and makes the table where there is none. */
  async warm(): Promise<void> {
    await this.count(WARM_TEXT);
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
    clearTimeout(this.#idle);
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
    // The thread's files lie beside this one, as `.js` when built and as `.ts` under test.
    const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
    const start: ThreadStart = {
      counting: new URL(`./byte-pair${extension}`, import.meta.url).href,
      table: this.#table,
    };
    const file = new URL(`./token-count.worker${extension}`, import.meta.url);
    const worker = new Worker(file, { workerData: start });
    worker.on('message', ({ table, results }: ThreadMessage) => {
      if (table !== undefined) this.#adopt(table);
      for (const { id, tokens } of results) {
        this.#waiting.get(id)?.resolve(tokens);
        this.#waiting.delete(id);
      }
      if (this.#waiting.size > 0) return;
      // An idle thread must not keep the process alive, nor its memory for long.
      worker.unref();
      clearTimeout(this.#idle);
      this.#idle = setTimeout(() => this.#rest(worker), this.idleMs).unref();
    });
    worker.on('error', () => {
      this.#lost(worker);
    });
    worker.on('exit', () => {
      this.#lost(worker);
    });
    return worker;
  }

  #adopt(table: BytePairTable): void {
    this.#table = table;
    this.#inline = new BytePairCounter(table);
  }

  #rest(worker: Worker): void {
    if (this.#worker !== worker || this.#waiting.size > 0) return;
    this.#worker = undefined;
    void worker.terminate();
  }

  #lost(worker: Worker | undefined): void {
    if ((worker === undefined || this.#worker !== worker) && !this.#closed) return;
    this.#worker = undefined;
    for (const { text, resolve } of this.#waiting.values()) resolve(estimateTokens(text));
    this.#waiting.clear();
  }
}

/** Into memory that threads share; undefined when there is no such file. */
async function readShared(url: URL): Promise<SharedArrayBuffer | undefined> {
  const file = await open(url).catch(() => undefined);
  if (file === undefined) return undefined;
  try {
    const bytes = new Uint8Array(new SharedArrayBuffer((await file.stat()).size));
    let at = 0;
    for (;;) {
      const { bytesRead } = await file.read(bytes, at, bytes.length - at);
      at += bytesRead;
      if (bytesRead === 0 || at === bytes.length) return bytes.buffer;
    }
  } finally {
    await file.close();
  }
}

function keyOf(text: string): string {
  return text.length <= 40 ? text : hash('sha256', text, 'base64url');
}
