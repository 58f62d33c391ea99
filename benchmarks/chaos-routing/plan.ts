import type { RecordedRequest, Script } from '../../test/upstream/scripted-upstream.js';
import { chatChunks, chatCompletion } from '../../test/upstream/openai-fixtures.js';

/** What the bad upstream does to a call. The call carries it in its prompt, so that the plan is fixed before it starts. */
export type Fault =
  'none' | '500' | '503' | '429' | 'reset' | 'hang' | 'slow' | 'rubbish' | `cut:${number}`;

export const PIECES = ['Each ', 'word ', 'counts.'];
export const WHOLE = PIECES.join('');
/** What an answer of either upstream is billed with. */
export const ANSWER_USAGE = { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 };
/** USD per million tokens, and so micro-USD a token. */
export const PRICES = { bad: { input: 1, output: 2 }, good: { input: 10, output: 20 } };
/** Longer than `firstTokenTimeout` and `timeout` of {@link gatewayConfig}. */
const TOO_SLOW_MS = 900;

export const promptOf = (id: string, fault: Fault): string => `call=${id} fault=${fault} Count.`;

export function callIn(request: RecordedRequest): { readonly id: string; readonly fault: Fault } {
  const [, id, fault] = /call=(\S+) fault=(\S+)/.exec(request.text) ?? [];
  if (id === undefined || fault === undefined) throw new TypeError('a request without a plan');
  return { id, fault: fault as Fault };
}

export function good(request: RecordedRequest): Script {
  const model = String(request.json?.model);
  if (request.json?.stream === true) {
    return { sse: chatChunks({ model, pieces: PIECES, usage: ANSWER_USAGE }) };
  }
  return { json: chatCompletion({ model, content: WHOLE, usage: ANSWER_USAGE }) };
}

export function bad(request: RecordedRequest): Script {
  const { fault } = callIn(request);
  const answer = good(request);
  switch (fault) {
    case 'none':
      return answer;
    case '500':
    case '503':
      return { status: Number(fault), json: { error: { message: 'boom', type: 'server_error' } } };
    case '429':
      return {
        status: 429,
        headers: { 'retry-after': '1' },
        json: { error: { message: 'slow down', type: 'rate_limit' } },
      };
    case 'reset':
      return { reset: true };
    case 'hang':
      return { hang: true };
    case 'slow':
      return { ...answer, delayMs: TOO_SLOW_MS };
    case 'rubbish':
      return {
        status: 200,
        body: '<html>not what was asked for',
        headers: { 'content-type': 'application/json' },
      };
    default:
      return { ...answer, cutAfterBytes: Number(fault.slice('cut:'.length)) };
  }
}

/** Bytes of the whole streamed answer, and until its first content is complete. */
export function streamLengths(): { readonly all: number; readonly first: number } {
  const frames = chatChunks({ model: 'bad', pieces: PIECES, usage: ANSWER_USAGE }).map(
    (frame) => `data: ${JSON.stringify(frame)}\n\n`.length,
  );
  const sum = (lengths: readonly number[]) => lengths.reduce((total, length) => total + length, 0);
  return { all: sum(frames) + 'data: [DONE]\n\n'.length, first: sum(frames.slice(0, 2)) };
}

export interface BreakerTimes {
  readonly minCalls: number;
  readonly resetMs: number;
}

/** The bad upstream is the cheaper one, so that the router prefers it, too. Nothing is cached. */
export function gatewayConfig(
  urls: { readonly bad: string; readonly good: string },
  { minCalls, resetMs }: BreakerTimes,
): string {
  const limits = 'timeout: 600ms, firstTokenTimeout: 400ms, idleTimeout: 400ms, maxConcurrent: 500';
  const shared = 'grade: simple, contextTokens: 8000, maxOutputTokens: 1000';
  return `
providers:
  - { id: bad, kind: openai, auth: none, baseUrl: "${urls.bad}", ${limits} }
  - { id: good, kind: openai, auth: none, baseUrl: "${urls.good}", ${limits} }
models:
  - { id: bad, provider: bad, ${shared}, price: ${JSON.stringify(PRICES.bad)}, retries: 1, fallbacks: [good] }
  - { id: good, provider: good, ${shared}, price: ${JSON.stringify(PRICES.good)}, retries: 0 }
routing:
  weights: { cost: 1, latency: 0, success: 0, load: 0, affinity: 0 }
  upgrade: { minCalls: 1000000 }
  retryBudget: { ratio: 0.2, perSecond: 0 }
  breaker: { window: 5s, minCalls: ${minCalls}, failureRate: 0.5, reset: ${resetMs}ms, maxReset: ${resetMs * 2}ms }
cache: { enabled: false }
`;
}
