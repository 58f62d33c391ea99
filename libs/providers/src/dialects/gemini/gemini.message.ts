import { usage, type ChatEvent, type FinishReason, type Usage } from '@sluice/kernel';
import { count } from '../token.count.js';
import { GEMINI_SIGNATURE } from '../turns.js';

/** What Gemini sends, loosely: only what is read is named, and nothing is relied upon. */
export interface WireResponse {
  readonly responseId?: string;
  readonly modelVersion?: string;
  readonly candidates?: readonly (WireCandidate | null)[];
  readonly promptFeedback?: { readonly blockReason?: string } | null;
  readonly usageMetadata?: WireUsage | null;
  readonly error?: unknown;
}
interface WireCandidate {
  readonly index?: number;
  readonly content?: { readonly parts?: readonly (WirePart | null)[] } | null;
  readonly finishReason?: string;
  readonly logprobsResult?: WireLogprobs | null;
}
interface WirePart {
  readonly text?: string;
  readonly thought?: boolean;
  readonly thoughtSignature?: string;
  readonly functionCall?: { readonly id?: string; readonly name?: string; readonly args?: unknown };
}
interface WireUsage {
  readonly promptTokenCount?: number;
  readonly toolUsePromptTokenCount?: number;
  readonly candidatesTokenCount?: number;
  readonly thoughtsTokenCount?: number;
  readonly cachedContentTokenCount?: number;
}
interface WireToken {
  readonly token?: string;
  readonly logProbability?: number;
}
interface WireLogprobs {
  readonly chosenCandidates?: readonly WireToken[];
  readonly topCandidates?: readonly { readonly candidates?: readonly WireToken[] }[];
}

const FINISH: Readonly<Record<string, FinishReason>> = {
  STOP: 'stop',
  MAX_TOKENS: 'length',
  SAFETY: 'content_filter',
  RECITATION: 'content_filter',
  BLOCKLIST: 'content_filter',
  PROHIBITED_CONTENT: 'content_filter',
  SPII: 'content_filter',
  IMAGE_SAFETY: 'content_filter',
};
/** The model's own failures: there is no answer to hand on. */
export const BROKEN_FINISHES: ReadonlySet<string> = new Set([
  'MALFORMED_FUNCTION_CALL',
  'UNEXPECTED_TOOL_CALL',
  'TOO_MANY_TOOL_CALLS',
]);

/** Turns the responses of one answer into events; a stream brings many, a whole answer one. */
export class GeminiEvents {
  #started = false;
  #id = '';
  /** Calls and thinking blocks so far, by candidate. */
  readonly #calls = new Map<number, number>();
  readonly #blocks = new Map<number, { count: number; open: boolean }>();

  read(response: WireResponse): ChatEvent[] {
    const events: ChatEvent[] = [];
    if (!this.#started) {
      this.#started = true;
      this.#id = string(response.responseId);
      events.push({ type: 'start', id: this.#id, model: string(response.modelVersion) });
    }
    for (const [at, candidate] of list(response.candidates).entries()) {
      if (isObject(candidate)) events.push(...this.#candidate(candidate, at));
    }
    if (isObject(response.promptFeedback) && response.promptFeedback.blockReason !== undefined) {
      events.push({ type: 'finish', choice: 0, reason: 'content_filter' });
    }
    const spent = usageOf(response.usageMetadata);
    if (spent !== undefined) events.push({ type: 'usage', usage: spent });
    return events;
  }

  #candidate(candidate: WireCandidate, at: number): ChatEvent[] {
    const choice = index(candidate.index, at);
    const events = list(candidate.content?.parts).flatMap((part) =>
      isObject(part) ? this.#part(part, choice) : [],
    );
    const logprobs = logprobsOf(candidate.logprobsResult);
    if (logprobs !== undefined) events.push({ type: 'text', choice, text: '', logprobs });
    if (typeof candidate.finishReason === 'string') {
      const reason = FINISH[candidate.finishReason] ?? 'stop';
      const called = reason === 'stop' && (this.#calls.get(choice) ?? 0) > 0;
      events.push({ type: 'finish', choice, reason: called ? 'tool_calls' : reason });
    }
    return events;
  }

  #part(part: WirePart, choice: number): ChatEvent[] {
    const events: ChatEvent[] = [];
    if (typeof part.thoughtSignature === 'string') {
      const signature = GEMINI_SIGNATURE + part.thoughtSignature;
      const block = this.#thought(choice);
      events.push({ type: 'reasoning', choice, text: '', signature, block });
    }
    if (isObject(part.functionCall)) {
      const at = this.#calls.get(choice) ?? 0;
      this.#calls.set(choice, at + 1);
      this.#endThought(choice);
      events.push({
        type: 'tool_call',
        choice,
        index: at,
        // Gemini's own API leaves ids out; results need one to answer to.
        id: part.functionCall.id ?? `call_${this.#id}_${choice}_${at}`,
        name: string(part.functionCall.name),
        arguments: JSON.stringify(part.functionCall.args ?? {}),
      });
    } else if (typeof part.text === 'string' && part.text !== '') {
      if (part.thought === true) {
        const block = this.#thought(choice);
        events.push({ type: 'reasoning', choice, text: part.text, block });
      } else {
        this.#endThought(choice);
        events.push({ type: 'text', choice, text: part.text });
      }
    }
    return events;
  }

  #thought(choice: number): number {
    const state = this.#blocks.get(choice) ?? { count: -1, open: false };
    const next = state.open ? state : { count: state.count + 1, open: true };
    this.#blocks.set(choice, next);
    return next.count;
  }

  #endThought(choice: number): void {
    const state = this.#blocks.get(choice);
    if (state !== undefined) state.open = false;
  }
}

/** Running totals. Thoughts are billed as output and reported beside the candidates' tokens. */
export function usageOf(wire: WireUsage | null | undefined): Usage | undefined {
  if (!isObject(wire)) return undefined;
  const reasoning = count(wire.thoughtsTokenCount);
  return usage({
    input: count(wire.promptTokenCount) + count(wire.toolUsePromptTokenCount),
    output: count(wire.candidatesTokenCount) + reasoning,
    cachedInput: count(wire.cachedContentTokenCount),
    reasoning,
  });
}

/** In the neutral form logprobs look as Chat Completions writes them. */
function logprobsOf(wire: WireLogprobs | null | undefined): unknown {
  if (!isObject(wire) || !Array.isArray(wire.chosenCandidates)) return undefined;
  const top = list(wire.topCandidates);
  const content = list<WireToken | null>(wire.chosenCandidates).map((token, at) => ({
    ...tokenOf(token),
    top_logprobs: list(top[at]?.candidates).map(tokenOf),
  }));
  return { content, refusal: null };
}

function tokenOf(wire: WireToken | null): {
  token: string;
  logprob: number;
  bytes: number[];
} {
  const token = string(wire?.token);
  return { token, logprob: number(wire?.logProbability), bytes: [...Buffer.from(token)] };
}

function number(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}

function index(value: unknown, fallback: number): number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 ? value : fallback;
}

export function string(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

export function list<T>(value: readonly T[] | null | undefined): readonly T[] {
  return Array.isArray(value) ? (value as readonly T[]) : [];
}

export function isObject<T>(value: T | null | undefined): value is T & object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
