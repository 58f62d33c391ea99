import {
  GatewayError,
  usage,
  type ChatMessage,
  type FinishReason,
  type Part,
  type Usage,
} from '@sluice/kernel';
import { count } from '../token.count.js';

/** What Anthropic sends, loosely: only what is read is named, and nothing is relied upon. */
export interface WireUsage {
  readonly input_tokens?: number | null;
  readonly output_tokens?: number | null;
  readonly cache_creation_input_tokens?: number | null;
  readonly cache_read_input_tokens?: number | null;
  readonly output_tokens_details?: { readonly thinking_tokens?: number | null } | null;
}
export interface WireBlock {
  readonly type?: string;
  readonly text?: string;
  readonly thinking?: string;
  readonly signature?: string;
  readonly data?: string;
  readonly id?: string;
  readonly name?: string;
  readonly input?: unknown;
}
export interface WireMessage {
  readonly id?: string;
  readonly model?: string;
  readonly content?: readonly WireBlock[];
  readonly stop_reason?: string | null;
  readonly stop_sequence?: string | null;
  readonly usage?: WireUsage | null;
}

const FINISH: Readonly<Record<string, FinishReason>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  tool_use: 'tool_calls',
  refusal: 'refusal',
  pause_turn: 'pause',
};

export function finishOf(reason: string | null | undefined): FinishReason {
  return FINISH[reason ?? 'end_turn'] ?? 'stop';
}

/**
 * Anthropic counts cache reads and writes beside `input_tokens`; our totals include them. Fields that a later report
 * leaves out keep what an earlier one said.
 */
export function usageOf(
  wire: WireUsage,
  before: WireUsage = {},
): { wire: WireUsage; usage: Usage } {
  const kept = { ...before } as Record<string, unknown>;
  for (const [key, value] of Object.entries(wire)) {
    if (value !== null && value !== undefined) kept[key] = value;
  }
  const all = kept as WireUsage;
  const cachedInput = count(all.cache_read_input_tokens);
  const cacheWrite = count(all.cache_creation_input_tokens);
  return {
    wire: all,
    usage: usage({
      input: count(all.input_tokens) + cachedInput + cacheWrite,
      output: count(all.output_tokens),
      cachedInput,
      cacheWrite,
      reasoning: count(all.output_tokens_details?.thinking_tokens),
    }),
  };
}

/** @throws GatewayError upstream_error for a body without content */
export function readMessage(body: Readonly<Record<string, unknown>>): ChatMessage {
  const wire = body as WireMessage;
  if (!Array.isArray(wire.content)) {
    throw new GatewayError('upstream_error', 'The upstream sent an answer without content.');
  }
  const parts = wire.content.map(partOf).filter((part) => part !== undefined);
  return {
    id: string(wire.id),
    model: string(wire.model),
    created: Math.floor(Date.now() / 1000),
    choices: [
      {
        index: 0,
        parts,
        finish: finishOf(wire.stop_reason),
        ...(typeof wire.stop_sequence === 'string' ? { stopSequence: wire.stop_sequence } : {}),
      },
    ],
    usage: usageOf(wire.usage ?? {}).usage,
  };
}

/** Blocks of tools that Anthropic runs itself have no neutral form; a same-dialect caller still gets them. */
function partOf(block: WireBlock | null): Part | undefined {
  switch (block?.type) {
    case 'text':
      return { type: 'text', text: string(block.text) };
    case 'thinking':
      return {
        type: 'reasoning',
        text: string(block.thinking),
        ...(typeof block.signature === 'string' ? { signature: block.signature } : {}),
      };
    case 'redacted_thinking':
      return { type: 'reasoning', text: '', redacted: string(block.data) };
    case 'tool_use':
      return {
        type: 'tool_call',
        id: string(block.id),
        name: string(block.name),
        arguments: JSON.stringify(block.input ?? {}),
      };
    default:
      return undefined;
  }
}

export function string(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
