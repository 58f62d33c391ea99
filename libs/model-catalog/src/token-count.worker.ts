// Runs in a worker thread, also as plain TypeScript under Node's type stripping: what it needs is named by its starter.
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import type { BytePairTable } from './byte-pair.js';

export interface CountJob {
  readonly id: number;
  readonly text: string;
}
export interface CountResult {
  readonly id: number;
  readonly tokens: number;
}

export interface ThreadStart {
  /** Where the module `byte-pair` lies. */
  readonly counting: string;
  /** The shared table; the first thread makes it. */
  readonly table: BytePairTable | undefined;
}
export interface ThreadMessage {
  readonly table?: BytePairTable;
  readonly results: readonly CountResult[];
}

/** Bytes that may be counted before shorter texts get their turn. */
const TURN = 16_384;

const LF = 10;
const SPACE = 32;
const SLASH = 47;

/** Cuts a text into turns, at blanks between words where the count of the parts is the count of the whole. */
export function turnsOf(text: string): string[] {
  const turns: string[] = [];
  let from = 0;
  while (text.length - from > TURN) {
    const to = blankBefore(text, from + TURN, from);
    turns.push(text.slice(from, to));
    from = to;
  }
  turns.push(text.slice(from));
  return turns;
}

function blankBefore(text: string, at: number, from: number): number {
  for (let i = at; i > Math.max(from, at - 1024); i--) {
    const before = text.charCodeAt(i - 1);
    if (text.charCodeAt(i) === SPACE && before > SPACE && isLetter(text, i + 1)) return i;
    if (before === LF && text.charCodeAt(i) !== LF && text.charCodeAt(i) !== SLASH) return i;
  }
  return at;
}

function isLetter(text: string, at: number): boolean {
  const code = text.charCodeAt(at) | 32;
  return code >= 97 && code <= 122;
}

interface OpenJob {
  readonly id: number;
  readonly turns: string[];
  at: number;
  tokens: number;
}

async function serve(port: NonNullable<typeof parentPort>, start: ThreadStart): Promise<void> {
  const { BytePairCounter, buildTable } = (await import(
    start.counting
  )) as typeof import('./byte-pair.js');
  let { table } = start;
  if (table === undefined) {
    table = buildTable((await import('gpt-tokenizer/bpeRanks/o200k_base')).default);
    port.postMessage({ table, results: [] } satisfies ThreadMessage);
  }
  const counter = new BytePairCounter(table);
  const open: OpenJob[] = [];
  const work = (): void => {
    const done: CountResult[] = [];
    // One turn for each open text, so that a long one holds nobody up for long.
    for (const job of open.splice(0)) {
      job.tokens += counter.count(job.turns[job.at++] ?? '');
      if (job.at < job.turns.length) open.push(job);
      else done.push({ id: job.id, tokens: job.tokens });
    }
    if (done.length > 0) port.postMessage({ results: done } satisfies ThreadMessage);
    if (open.length > 0) setImmediate(work);
  };
  port.on('message', (jobs: readonly CountJob[]) => {
    const idle = open.length === 0;
    for (const job of jobs) open.push({ id: job.id, turns: turnsOf(job.text), at: 0, tokens: 0 });
    if (idle) work();
  });
}

if (!isMainThread && parentPort !== null) void serve(parentPort, workerData as ThreadStart);
