import {
  GatewayError,
  NO_USAGE,
  usage,
  type ChatMessage,
  type Choice,
  type FinishReason,
  type Part,
  type Usage,
} from '@sluice/kernel';
import { count } from '../token.count.js';

/** What OpenAI and its copies send, loosely: only what is read is named, and nothing is relied upon. */
export interface WireUsage {
  readonly prompt_tokens?: number | null;
  readonly completion_tokens?: number | null;
  readonly prompt_tokens_details?: { readonly cached_tokens?: number | null } | null;
  readonly completion_tokens_details?: { readonly reasoning_tokens?: number | null } | null;
  /** DeepSeek's name for cached tokens. */
  readonly prompt_cache_hit_tokens?: number | null;
}
export interface WireToolCall {
  readonly index?: number;
  readonly id?: string | null;
  readonly function?: { readonly name?: string | null; readonly arguments?: string | null };
}
export interface WireText {
  readonly content?: string | null;
  readonly refusal?: string | null;
  /** DeepSeek and vLLM; `reasoning` at OpenRouter and Ollama. */
  readonly reasoning_content?: string | null;
  readonly reasoning?: string | null;
  readonly tool_calls?: readonly WireToolCall[] | null;
}
interface WireChoice {
  readonly index?: number;
  readonly message?: WireText;
  readonly finish_reason?: string | null;
  readonly logprobs?: unknown;
}
interface WireCompletion {
  readonly id?: string;
  readonly model?: string;
  readonly created?: number;
  readonly choices?: readonly WireChoice[];
  readonly usage?: WireUsage | null;
}

const FINISH: Readonly<Record<string, FinishReason>> = {
  stop: 'stop',
  length: 'length',
  tool_calls: 'tool_calls',
  function_call: 'tool_calls',
  content_filter: 'content_filter',
};

export function finishOf(reason: string | null | undefined): FinishReason {
  return FINISH[reason ?? 'stop'] ?? 'stop';
}

/** Undefined when the upstream reported nothing. */
export function usageOf(wire: WireUsage | null | undefined): Usage | undefined {
  if (wire?.prompt_tokens === undefined && wire?.completion_tokens === undefined) return undefined;
  return usage({
    input: count(wire.prompt_tokens),
    output: count(wire.completion_tokens),
    cachedInput: count(wire.prompt_tokens_details?.cached_tokens ?? wire.prompt_cache_hit_tokens),
    reasoning: count(wire.completion_tokens_details?.reasoning_tokens),
  });
}

/** @throws GatewayError upstream_error for a body without choices */
export function readMessage(body: Readonly<Record<string, unknown>>): ChatMessage {
  const wire = body as WireCompletion;
  if (!Array.isArray(wire.choices)) {
    throw new GatewayError('upstream_error', 'The upstream sent an answer without choices.');
  }
  return {
    id: wire.id ?? '',
    model: wire.model ?? '',
    created: wire.created ?? 0,
    choices: readChoices(wire.choices),
    usage: usageOf(wire.usage) ?? NO_USAGE,
  };
}

function readChoices(choices: readonly WireChoice[]): Choice[] {
  try {
    return choices.map(readChoice);
  } catch (cause) {
    throw new GatewayError('upstream_error', 'The upstream sent choices that cannot be read.', {
      cause,
    });
  }
}

function readChoice(wire: WireChoice, at: number): Choice {
  const message = wire.message ?? {};
  const parts: Part[] = [];
  const reasoning = message.reasoning_content ?? message.reasoning;
  if (reasoning) parts.push({ type: 'reasoning', text: reasoning });
  if (message.content) parts.push({ type: 'text', text: message.content });
  if (message.refusal) parts.push({ type: 'refusal', text: message.refusal });
  for (const call of message.tool_calls ?? []) {
    parts.push({
      type: 'tool_call',
      id: call.id ?? '',
      name: call.function?.name ?? '',
      arguments: argumentsText(call.function?.arguments),
    });
  }
  return {
    index: wire.index ?? at,
    parts,
    finish: message.refusal ? 'refusal' : finishOf(wire.finish_reason),
    ...(wire.logprobs === undefined || wire.logprobs === null ? {} : { logprobs: wire.logprobs }),
  };
}

/** JSON text. Some servers send the object itself, and damaged ones anything: what comes after relies on text. */
export function argumentsText(value: unknown): string {
  if (typeof value === 'string') return value;
  return value === undefined || value === null ? '' : JSON.stringify(value);
}
