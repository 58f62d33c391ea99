// Runs in a worker thread, also as plain TypeScript under Node's type stripping: no relative imports here.
import { isMainThread, parentPort } from 'node:worker_threads';

export interface CountJob {
  readonly id: number;
  readonly text: string;
}
export interface CountResult {
  readonly id: number;
  readonly tokens: number;
}

/** Bytes that may be counted before shorter texts get their turn. */
const TURN = 16_384;
/** Merging is quadratic in the length of a word, so a longer one is cut; the count may then be a token high. */
const LONGEST_WORD = 512;

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

/** Breaks words that no language has: they are attacks, or data in a costume. */
export function breakLongWords(text: string): string[] {
  if (text.length <= LONGEST_WORD) return [text];
  const parts: string[] = [];
  let from = 0;
  let wordStart = 0;
  let blank = isBlank(text.charCodeAt(0));
  for (let i = 1; i < text.length; i++) {
    const nowBlank = isBlank(text.charCodeAt(i));
    if (nowBlank !== blank) {
      blank = nowBlank;
      wordStart = i;
    } else if (i - wordStart >= LONGEST_WORD) {
      parts.push(text.slice(from, i));
      from = i;
      wordStart = i;
    }
  }
  parts.push(text.slice(from));
  return parts;
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

function isBlank(code: number): boolean {
  return code <= SPACE;
}

interface OpenJob {
  readonly id: number;
  readonly turns: string[];
  at: number;
  tokens: number;
}

async function serve(port: NonNullable<typeof parentPort>): Promise<void> {
  const { countTokens } = await import('gpt-tokenizer/encoding/o200k_base');
  // A caller may write `<|endoftext|>` as text; it is text.
  const asText = { disallowedSpecial: new Set<string>() };
  const open: OpenJob[] = [];
  const work = (): void => {
    const done: CountResult[] = [];
    // One turn for each open text, so that a long one holds nobody up for long.
    for (const job of open.splice(0)) {
      for (const part of breakLongWords(job.turns[job.at++] ?? '')) {
        job.tokens += countTokens(part, asText);
      }
      if (job.at < job.turns.length) open.push(job);
      else done.push({ id: job.id, tokens: job.tokens });
    }
    if (done.length > 0) port.postMessage(done);
    if (open.length > 0) setImmediate(work);
  };
  port.on('message', (jobs: readonly CountJob[]) => {
    const idle = open.length === 0;
    for (const job of jobs) open.push({ id: job.id, turns: turnsOf(job.text), at: 0, tokens: 0 });
    if (idle) work();
  });
}

if (!isMainThread && parentPort !== null) void serve(parentPort);
